//! Time: of the wall, and of the processor, which says the same whatever else the machine does.

use std::time::Instant;

/// Ticks a second of the times in `/proc`, on every Linux.
const TICKS: f64 = 100.0;

/// Measures from when it was made.
pub struct Clock {
    wall: Instant,
    processor: Option<f64>,
}

impl Clock {
    /// Starts.
    pub fn start() -> Self {
        Self { wall: Instant::now(), processor: processor_seconds() }
    }

    /// Seconds of the wall, and of all threads of this process where the system tells them.
    pub fn elapsed(&self) -> (f64, Option<f64>) {
        let processor = self.processor.and_then(|from| Some(processor_seconds()? - from));
        (self.wall.elapsed().as_secs_f64(), processor)
    }
}

/// Processor seconds of this process so far.
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        let clock = Clock::start();
        let mut sum = 0.0_f64;
        while clock.wall.elapsed().as_millis() < 60 {
            sum += sum.cos();
        }
        let (wall, processor) = clock.elapsed();
        assert!(wall >= 0.06 && sum.is_finite());
        assert!(processor.is_none_or(|p| (0.0..10.0).contains(&p)), "{processor:?}");
    }
}

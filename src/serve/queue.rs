//! The bounded queue between requests and the worker.
//!
//! What cannot be queued is refused at once, with a time after which to try again. A request that
//! carries the key of one still waiting takes its place: of a slider that moves, only the last
//! position is worth computing.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::answer::{Answer, Refusal};
use super::ask::Ask;

/// Requests that may wait.
const MOST: usize = 64;

/// A request that waits, and those who wait for its answer.
pub(super) struct Job {
    pub(super) ask: Ask,
    /// The slider that it is from, if it is from one.
    key: Option<String>,
    waiting: Vec<oneshot::Sender<Outcome>>,
}

/// What a job ends in; shared by all who asked the same.
pub(super) type Outcome = Result<Arc<Answer>, Refusal>;

impl Job {
    /// Hands the outcome to all who wait for it.
    pub(super) fn finish(self, outcome: &Outcome) {
        // Who has gone away misses nothing.
        self.waiting.into_iter().for_each(|to| drop(to.send(outcome.clone())));
    }
}

/// A queue with one worker at its end.
pub(super) struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    arrived: Condvar,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { jobs: Mutex::new(VecDeque::new()), arrived: Condvar::new() }
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        // No code that holds it can leave it half changed.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, or joins an equal one that waits already.
    ///
    /// # Errors
    /// [`Refusal::busy`] where too many wait.
    pub(super) fn add(&self, ask: Ask, key: Option<String>) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        let (to, from) = oneshot::channel();
        let mut jobs = self.jobs();
        if let Some(at) = key.as_ref().and_then(|key| jobs.iter().position(|j| j.key.as_ref() == Some(key))) {
            // Its place in the queue stays: a slider in motion is not sent back to the end.
            let older = std::mem::replace(&mut jobs[at], Job { ask, key, waiting: vec![to] });
            drop(jobs);
            older.finish(&Err(Refusal::overtaken()));
            return Ok(from);
        }
        // One with a key may be overtaken, which is not for others to suffer.
        if key.is_none()
            && let Some(same) = jobs.iter_mut().find(|j| j.key.is_none() && j.ask == ask)
        {
            same.waiting.push(to);
            return Ok(from);
        }
        if jobs.len() >= MOST {
            return Err(Refusal::busy());
        }
        jobs.push_back(Job { ask, key, waiting: vec![to] });
        self.arrived.notify_one();
        Ok(from)
    }

    /// The next request that somebody still waits for; none if none comes within `patience`.
    pub(super) fn next(&self, patience: Duration) -> Option<Job> {
        let wait = self.arrived.wait_timeout_while(self.jobs(), patience, |jobs| jobs.is_empty());
        let (mut jobs, _) = wait.unwrap_or_else(PoisonError::into_inner);
        while let Some(job) = jobs.pop_front() {
            if job.waiting.iter().any(|to| !to.is_closed()) {
                return Some(job);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn ask(iteration: u64) -> Ask {
        Ask::Training { run: 0, iteration: Some(iteration) }
    }

    fn next(queue: &Queue) -> Ask {
        queue.next(NOW).unwrap().ask
    }

    #[test]
    fn the_newest_of_a_slider_wins_and_keeps_its_place() {
        let queue = Queue::new();
        let mut first = queue.add(ask(1), Some("a".into())).unwrap();
        let _other = queue.add(ask(2), Some("b".into())).unwrap();
        let mut newest = queue.add(ask(3), Some("a".into())).unwrap();
        assert_eq!(first.try_recv().unwrap().unwrap_err(), Refusal::overtaken());
        assert_eq!((next(&queue), next(&queue)), (ask(3), ask(2)));
        assert!(queue.next(NOW).is_none() && newest.try_recv().is_err());
    }

    #[test]
    fn equal_requests_are_computed_once() {
        let queue = Queue::new();
        let mut answers = [1, 1, 2].map(|i| queue.add(ask(i), None).unwrap());
        let job = queue.next(NOW).unwrap();
        job.finish(&Err(Refusal::busy()));
        assert!(answers[0].try_recv().is_ok() && answers[1].try_recv().is_ok());
        assert!(answers[2].try_recv().is_err());
    }

    #[test]
    fn a_full_queue_refuses_and_what_nobody_waits_for_is_passed_over() {
        let queue = Queue::new();
        let mut waiting: Vec<_> = (0..MOST).map(|i| queue.add(ask(i as u64), None).unwrap()).collect();
        let refused = queue.add(ask(99), None).unwrap_err();
        assert_eq!((refused.clone(), refused.retry.is_some()), (Refusal::busy(), true));
        waiting.drain(..MOST - 1);
        assert_eq!(next(&queue), ask(MOST as u64 - 1));
        assert!(queue.add(ask(99), None).is_ok());
    }
}

//! The bounded queue between requests and the worker.
//!
//! What cannot be queued is refused at once, with a time after which to try again. A request that
//! carries the key of another takes its place, whether that one waits or is being computed: of a slider
//! that moves, only the last position is worth computing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use super::answer::{Answer, Refusal};
use super::ask::Ask;

/// Requests that may wait.
const MOST: usize = 64;

/// A request, and those who wait for its answer. If it is dropped they are told why.
pub(super) struct Job {
    pub(super) ask: Ask,
    /// The slider that it is from, if it is from one.
    key: Option<String>,
    overtaken: Arc<AtomicBool>,
    waiting: Vec<oneshot::Sender<Outcome>>,
}

/// What a job ends in; shared by all who asked the same.
pub(super) type Outcome = Result<Arc<Answer>, Refusal>;

impl Job {
    fn new(ask: Ask, key: Option<String>, to: oneshot::Sender<Outcome>) -> Self {
        Self { ask, key, overtaken: Arc::default(), waiting: vec![to] }
    }

    /// Hands the outcome to all who wait for it.
    pub(super) fn finish(mut self, outcome: &Outcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: &Outcome) {
        // Who has gone away misses nothing.
        self.waiting.drain(..).for_each(|to| drop(to.send(outcome.clone())));
    }

    /// Whether its answer is of no use to anybody: a newer request took its place, or all have gone away.
    pub(super) fn is_vain(&self) -> bool {
        self.overtaken.load(Ordering::Relaxed) || self.waiting.iter().all(oneshot::Sender::is_closed)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let overtaken = self.overtaken.load(Ordering::Relaxed);
        self.tell(&Err(if overtaken { Refusal::overtaken() } else { Refusal::broken() }));
    }
}

/// A queue with one worker at its end.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Those with a key that the worker has: how each is told that it is overtaken.
    working: Vec<(String, Weak<AtomicBool>)>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), arrived: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds it can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, or joins an equal one that waits already.
    ///
    /// # Errors
    /// [`Refusal::busy`] where too many wait.
    pub(super) fn add(&self, ask: Ask, key: Option<String>) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        let (to, from) = oneshot::channel();
        let mut state = self.state();
        let State { jobs, working } = &mut *state;
        if let Some(key) = &key {
            let overtaken = working.iter().filter(|(of, _)| of == key).filter_map(|(_, flag)| flag.upgrade());
            overtaken.for_each(|flag| flag.store(true, Ordering::Relaxed));
            if let Some(at) = jobs.iter().position(|j| j.key.as_ref() == Some(key)) {
                // Its place in the queue stays: a slider in motion is not sent back to the end.
                let older = std::mem::replace(&mut jobs[at], Job::new(ask, Some(key.clone()), to));
                drop(state);
                older.finish(&Err(Refusal::overtaken()));
                return Ok(from);
            }
        } else if let Some(same) = jobs.iter_mut().find(|j| j.key.is_none() && j.ask == ask) {
            // One with a key may be overtaken, which is not for others to suffer.
            same.waiting.push(to);
            return Ok(from);
        }
        if jobs.len() >= MOST {
            return Err(Refusal::busy());
        }
        jobs.push_back(Job::new(ask, key, to));
        self.arrived.notify_one();
        Ok(from)
    }

    /// The next request that somebody still waits for and that `fits`; none if none comes within `patience`.
    pub(super) fn next(&self, patience: Duration, fits: &dyn Fn(&Ask) -> bool) -> Option<Job> {
        let wait = self.arrived.wait_timeout_while(self.state(), patience, |state| state.jobs.is_empty());
        let (mut state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        state.jobs.retain(|job| !job.is_vain());
        let at = state.jobs.iter().position(|job| fits(&job.ask))?;
        let job = state.jobs.remove(at)?;
        state.working.retain(|(_, flag)| flag.strong_count() > 0);
        if let Some(key) = &job.key {
            state.working.push((key.clone(), Arc::downgrade(&job.overtaken)));
        }
        Some(job)
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

    fn job(queue: &Queue) -> Option<Job> {
        queue.next(NOW, &|_| true)
    }

    fn next(queue: &Queue) -> Ask {
        job(queue).unwrap().ask.clone()
    }

    #[test]
    fn the_newest_of_a_slider_wins_and_keeps_its_place() {
        let queue = Queue::new();
        let mut first = queue.add(ask(1), Some("a".into())).unwrap();
        let _other = queue.add(ask(2), Some("b".into())).unwrap();
        let mut newest = queue.add(ask(3), Some("a".into())).unwrap();
        assert_eq!(first.try_recv().unwrap().unwrap_err(), Refusal::overtaken());
        let jobs = [job(&queue).unwrap(), job(&queue).unwrap()];
        assert_eq!((&jobs[0].ask, &jobs[1].ask), (&ask(3), &ask(2)));
        assert!(job(&queue).is_none() && newest.try_recv().is_err());
    }

    #[test]
    fn the_newest_of_a_slider_wins_over_the_one_that_is_computed() {
        let queue = Queue::new();
        let [mut first, _other] = ["a", "b"].map(|key| queue.add(ask(1), Some(key.into())).unwrap());
        let (computed, other) = (job(&queue).unwrap(), job(&queue).unwrap());
        let mut newest = queue.add(ask(3), Some("a".into())).unwrap();
        assert!(computed.is_vain() && !other.is_vain());
        drop(computed);
        assert_eq!(first.try_recv().unwrap().unwrap_err(), Refusal::overtaken());
        let computed = job(&queue).unwrap();
        assert!(computed.ask == ask(3) && !computed.is_vain());
        computed.finish(&Err(Refusal::late()));
        assert_eq!(newest.try_recv().unwrap().unwrap_err(), Refusal::late());
    }

    #[test]
    fn sliders_that_are_computed_are_forgotten() {
        let queue = Queue::new();
        for i in 0..100 {
            let _answer = queue.add(ask(i), Some(i.to_string())).unwrap();
            job(&queue).unwrap().finish(&Err(Refusal::late()));
        }
        // But for the last one, which nobody has come after.
        assert_eq!(queue.state().working.len(), 1);
    }

    #[test]
    fn equal_requests_are_computed_once() {
        let queue = Queue::new();
        let mut answers = [1, 1, 2].map(|i| queue.add(ask(i), None).unwrap());
        job(&queue).unwrap().finish(&Err(Refusal::busy()));
        assert!(answers[0].try_recv().is_ok() && answers[1].try_recv().is_ok());
        assert!(answers[2].try_recv().is_err());
    }

    #[test]
    fn what_does_not_fit_waits_and_lets_others_pass() {
        let queue = Queue::new();
        let _answers = [1, 2].map(|i| queue.add(ask(i), None).unwrap());
        let fits = |of: &Ask| *of == ask(2);
        assert_eq!(queue.next(NOW, &fits).unwrap().ask, ask(2));
        assert!(queue.next(NOW, &fits).is_none());
        assert_eq!(next(&queue), ask(1));
    }

    #[test]
    fn who_waits_for_a_job_that_is_lost_is_told() {
        let queue = Queue::new();
        let mut answer = queue.add(ask(1), None).unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _job = job(&queue).unwrap();
            std::panic::resume_unwind(Box::new("the worker"));
        }));
        let refusal = answer.try_recv().unwrap().unwrap_err();
        assert!(outcome.is_err() && refusal == Refusal::broken());
        assert!(refusal.status == 503 && refusal.retry.is_some());
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

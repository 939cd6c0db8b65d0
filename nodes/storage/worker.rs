//! A thread of its own for what blocks: a disk, a terminal that nobody reads.
//!
//! One thread owns the thing and does one job after the other; the node awaits the answers. The runtime's threads never wait
//! for the disk, and what is stuck holds up nobody else.
//!
//! On virtual time it is the other way round: the clock runs ahead while everybody waits, so nobody may wait for a disk. There
//! the jobs are done in place.

use std::io;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// Owns a `T` and does jobs on it, on a thread that ends when the worker is dropped. The `T` is dropped with it.
pub struct Worker<T>(Desk<T>);

enum Desk<T> {
    Thread {
        jobs: mpsc::Sender<Job<T>>,
        thread: Option<JoinHandle<()>>,
    },
    /// The lock is never taken: it lets a `T` that can be sent, but not shared, be part of what is shared.
    InPlace(Mutex<T>),
}

impl<T: Send + 'static> Worker<T> {
    /// Starts the thread.
    pub fn start(name: &str, mut owned: T) -> io::Result<Self> {
        Self::spawn(name, move |mut queue| {
            while let Some(job) = queue.blocking_recv() {
                job(&mut owned);
            }
        })
    }

    /// Starts the thread, which has something to do between the jobs: `rest`, after each job (`false`) and when no job came for
    /// as long as it said (`true`).
    ///
    /// It does a little at a time, because a job that comes meanwhile waits for it, and says how long to wait before the next.
    pub fn start_with(name: &str, mut owned: T, rest: fn(&mut T, bool) -> Duration) -> io::Result<Self> {
        // For its timer alone.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Self::spawn(name, move |mut queue| {
            let mut wait = rest(&mut owned, false);
            loop {
                wait = match runtime.block_on(async { timeout(wait, queue.recv()).await }) {
                    Ok(Some(job)) => {
                        job(&mut owned);
                        rest(&mut owned, false)
                    }
                    Ok(None) => break,
                    Err(_) => rest(&mut owned, true),
                }
            }
        })
    }

    fn spawn(name: &str, work: impl FnOnce(mpsc::Receiver<Job<T>>) + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job<T>>(1);
        // A NUL in the name of a thread panics.
        let thread = Builder::new().name(name.replace('\0', "")).spawn(move || work(queue))?;
        Ok(Self(Desk::Thread { jobs, thread: Some(thread) }))
    }

    /// Does the jobs in place: for runs on virtual time only, because the runtime stands still meanwhile.
    pub fn in_place(owned: T) -> Self {
        Self(Desk::InPlace(Mutex::new(owned)))
    }

    /// Does a job and brings its answer. A panic of the job goes on here.
    ///
    /// A job that was begun is finished even if nobody waits for its answer any more.
    pub async fn call<R: Send + 'static>(&mut self, job: impl FnOnce(&mut T) -> R + Send + 'static) -> R {
        let (jobs, thread) = match &mut self.0 {
            Desk::InPlace(owned) => return job(owned.get_mut().unwrap_or_else(PoisonError::into_inner)),
            Desk::Thread { jobs, thread } => (jobs, thread),
        };
        let (answer, answered) = oneshot::channel();
        let job: Job<T> = Box::new(move |owned| {
            let _ = answer.send(job(owned));
        });
        if jobs.send(job).await.is_ok()
            && let Ok(answer) = answered.await
        {
            return answer;
        }
        // Only a panic ends the thread while its worker lives. The runtime catches it and builds the node anew.
        match thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => resume_unwind(panic),
            _ => resume_unwind(Box::new("the thread of this node has ended")),
        }
    }

    /// Does a last job and waits for the end of the thread, which a panic has ended already.
    pub async fn finish(mut self, last: impl FnOnce(&mut T) + Send + 'static) {
        if !matches!(self.0, Desk::Thread { thread: None, .. }) {
            self.call(last).await;
        }
        if let Desk::Thread { jobs, thread } = self.0 {
            drop(jobs);
            let _ = thread.map(JoinHandle::join);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn jobs_are_done_in_order_on_the_named_thread() {
        let mut worker = Worker::start("worker-test", Vec::new()).unwrap();
        for n in 0..3 {
            worker.call(move |seen: &mut Vec<i32>| seen.push(n)).await;
        }
        let name = |_: &mut Vec<i32>| std::thread::current().name().map(str::to_owned);
        assert_eq!(worker.call(name).await.as_deref(), Some("worker-test"));
        assert_eq!(worker.call(|seen| seen.clone()).await, [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_dropped_worker_ends_its_thread_and_drops_what_it_owned() {
        let owned = Arc::new(());
        let mut worker = Worker::start("dropped", Arc::clone(&owned)).unwrap();
        let Desk::Thread { thread, .. } = &mut worker.0 else { panic!("it has a thread") };
        let thread = thread.take().unwrap();
        drop(worker);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&owned), 1);
    }

    #[tokio::test]
    async fn the_pauses_between_jobs_are_used() {
        let (told, mut heard) = mpsc::channel(8);
        let rest = |(jobs, told): &mut (u32, mpsc::Sender<(u32, bool)>), pause| {
            let _ = told.try_send((*jobs, pause));
            Duration::from_micros(1)
        };
        let mut worker = Worker::start_with("rests", (0, told), rest).unwrap();
        assert_eq!(heard.recv().await, Some((0, false)));
        assert_eq!(heard.recv().await, Some((0, true)));
        worker.call(|(jobs, _)| *jobs += 1).await;
        for rested in [(1, false), (1, true)] {
            while heard.recv().await != Some(rested) {}
        }
        worker.finish(|_| ()).await;
        while heard.recv().await.is_some() {}
    }

    #[tokio::test]
    async fn finish_returns_when_the_thread_has_ended() {
        let owned = Arc::new(());
        Worker::start("finished", Arc::clone(&owned)).unwrap().finish(|_| ()).await;
        assert_eq!(Arc::strong_count(&owned), 1);
    }

    #[test]
    fn a_panic_of_a_job_goes_on_in_the_caller() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut worker = Worker::start("panics\0", ()).unwrap();
        let call = std::panic::AssertUnwindSafe(|| runtime.block_on(worker.call(|()| panic!("disk on fire"))));
        let panic = std::panic::catch_unwind(call).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"disk on fire"));
        runtime.block_on(worker.finish(|()| panic!("not done")));
    }

    #[tokio::test(start_paused = true)]
    async fn no_virtual_time_passes_while_a_job_is_done_in_place() {
        let began = tokio::time::Instant::now();
        let mut worker = Worker::in_place(1);
        let late = tokio::time::sleep(Duration::from_secs(1));
        let job = worker.call(|owned| {
            *owned += 1;
            std::thread::current().id()
        });
        let by = tokio::select! {
            biased;
            () = late => None,
            by = job => Some(by),
        };
        assert_eq!(by, Some(std::thread::current().id()));
        assert_eq!((worker.call(|owned| *owned).await, began.elapsed()), (2, Duration::ZERO));
        worker.finish(|_| ()).await;
    }
}

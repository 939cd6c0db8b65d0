//! What a node does: the verbs. The loops around them, retry, back-off, shutdown and metrics, belong to the runtime.

use std::future::Future;
use std::time::Duration;

use crate::{Batch, BoxFuture, Cause, Delivery, NodeError, Outputs, Position, Timestamp};

/// Brings records in.
pub trait Source: Send {
    /// Opens the link. Called before the first `read` and again after each `Disconnected`.
    fn connect(&mut self) -> impl Future<Output = Result<(), NodeError>> + Send;

    /// Waits for the next batch. Waiting for the node's own poll tick is part of it.
    ///
    /// The runtime drops this future when it stops, so nothing that was acknowledged upstream may live in it alone.
    fn read(&mut self) -> impl Future<Output = Result<Delivery, NodeError>> + Send;

    /// What to say when the link is lost or cannot be made: one Bad record for each tag that is now without a value.
    ///
    /// Asked once for each outage, so that an outage is never silence.
    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        let _ = (cause, now);
        None
    }

    /// Closes the link; called once, at the end.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Makes records out of records. Synchronous, so that it cannot block; the time is an argument, so that a test can hold it.
pub trait Transform: Send {
    /// Works on one batch. What it does not emit counts as filtered, and so as delivered.
    ///
    /// A batch that cannot be worked on goes to [`Outputs::reject`]; an error stops the pipeline.
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause>;

    /// When `tick` is wanted next; `None`, the default, for never. Asked at the start and after each `apply` and
    /// each `tick`.
    fn due(&self) -> Option<Timestamp> {
        None
    }

    /// Emits what is due by time alone, such as the end of a window. `now` is not before [`Transform::due`].
    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        let _ = (now, out);
    }

    /// The oldest batch of which a record is held back and must not be lost, counted in calls of `apply` from 1.
    ///
    /// The acks of that batch and of all later ones wait until it moves on, so what is held comes again after a crash. Hold
    /// little and for a short time only: a source may stop sending while too many acks are open.
    fn holds_since(&self) -> Option<u64> {
        None
    }

    /// Emits what is still held: there is no more input.
    fn finish(&mut self, now: Timestamp, out: &mut Outputs) {
        let _ = (now, out);
    }
}

/// How many records the runtime gathers into one `write` of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gather {
    /// Write as soon as so many records wait. A larger batch is written alone.
    pub records: usize,
    /// Write what there is when the first record has waited so long. Zero: as soon as the edge has nothing more to give.
    pub wait: Duration,
}

impl Gather {
    /// Whatever waits, up to 1024 records, without waiting for more.
    pub const PROMPT: Self = Self { records: 1024, wait: Duration::ZERO };
}

/// Brings records to where they stay, or out.
pub trait Sink: Send {
    /// Opens the link. Called before the first `write` and again after each `Disconnected`.
    fn connect(&mut self) -> impl Future<Output = Result<(), NodeError>> + Send;

    /// How many records to gather for one `write`.
    fn gather(&self) -> Gather {
        Gather::PROMPT
    }

    /// How far this sink has taken the durable edges that lead to it, if it stores that together with the records. Asked
    /// after each `connect`; the runtime goes on behind it. That makes an edge into such a sink exactly once.
    fn positions(&mut self) -> impl Future<Output = Result<Vec<Position>, NodeError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Writes all of these batches or none of them. `Ok` means that each is *safe to acknowledge*.
    ///
    /// `positions` says how far each durable edge is taken once these batches are written: a sink that can, stores them in the
    /// same transaction, one for each edge, and reports them by [`Sink::positions`]; others need not look.
    ///
    /// After `Disconnected` the same batches come again. After `Rejected` of several the runtime offers them one by one, so
    /// that one bad batch does not take its neighbours with it. A sink that brings each record somewhere by itself, such as
    /// writes to a device, gathers single batches and answers [`NodeError::RejectedPart`].
    fn write(
        &mut self,
        batches: &[Batch],
        positions: &[Position],
    ) -> impl Future<Output = Result<(), NodeError>> + Send;

    /// Whether the link takes everything, asked after each `connect`. If so, what [`NodeError::Postponed`] told of comes again.
    fn takes_all(&self) -> bool {
        true
    }

    /// Told before each `write`: where each of its batches comes from, in the same order; `None` for what comes from memory.
    /// What a batch is known by is the same when it comes again, also after a restart.
    fn origins(&mut self, origins: &mut dyn Iterator<Item = Option<Position>>) {
        let _ = origins;
    }

    /// Waited for between two writes, and dropped when there is something to write. Tells that the link is lost, for a sink
    /// that has to be connected also while it has nothing to do; what it answers meanwhile is its own matter.
    fn idle(&mut self) -> impl Future<Output = NodeError> + Send {
        std::future::pending()
    }

    /// Closes the link; called once, at the end.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// A built node, ready for the runtime.
pub enum Node {
    /// Brings records in.
    Source(Box<dyn DynSource>),
    /// Makes records out of records.
    Transform(Box<dyn Transform>),
    /// Brings records to where they stay.
    Sink(Box<dyn DynSink>),
}

impl Node {
    /// A source.
    pub fn source(source: impl Source + 'static) -> Self {
        Self::Source(Box::new(source))
    }

    /// A transform.
    pub fn transform(transform: impl Transform + 'static) -> Self {
        Self::Transform(Box::new(transform))
    }

    /// A sink.
    pub fn sink(sink: impl Sink + 'static) -> Self {
        Self::Sink(Box::new(sink))
    }
}

/// [`Source`] behind a pointer. Every source is one; nobody implements it by hand.
pub trait DynSource: Send {
    /// See [`Source::connect`].
    fn connect(&mut self) -> BoxFuture<'_, Result<(), NodeError>>;
    /// See [`Source::read`].
    fn read(&mut self) -> BoxFuture<'_, Result<Delivery, NodeError>>;
    /// See [`Source::outage`].
    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch>;
    /// See [`Source::close`].
    fn close(&mut self) -> BoxFuture<'_, ()>;
}

impl<S: Source> DynSource for S {
    fn connect(&mut self) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(Source::connect(self))
    }
    fn read(&mut self) -> BoxFuture<'_, Result<Delivery, NodeError>> {
        Box::pin(Source::read(self))
    }
    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        Source::outage(self, cause, now)
    }
    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(Source::close(self))
    }
}

/// [`Sink`] behind a pointer. Every sink is one; nobody implements it by hand.
pub trait DynSink: Send {
    /// See [`Sink::connect`].
    fn connect(&mut self) -> BoxFuture<'_, Result<(), NodeError>>;
    /// See [`Sink::gather`].
    fn gather(&self) -> Gather;
    /// See [`Sink::positions`].
    fn positions(&mut self) -> BoxFuture<'_, Result<Vec<Position>, NodeError>>;
    /// See [`Sink::write`].
    fn write<'a>(&'a mut self, batches: &'a [Batch], positions: &'a [Position])
    -> BoxFuture<'a, Result<(), NodeError>>;
    /// See [`Sink::takes_all`].
    fn takes_all(&self) -> bool;
    /// See [`Sink::origins`].
    fn origins(&mut self, origins: &mut dyn Iterator<Item = Option<Position>>);
    /// See [`Sink::idle`].
    fn idle(&mut self) -> BoxFuture<'_, NodeError>;
    /// See [`Sink::close`].
    fn close(&mut self) -> BoxFuture<'_, ()>;
}

impl<S: Sink> DynSink for S {
    fn connect(&mut self) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(Sink::connect(self))
    }
    fn gather(&self) -> Gather {
        Sink::gather(self)
    }
    fn positions(&mut self) -> BoxFuture<'_, Result<Vec<Position>, NodeError>> {
        Box::pin(Sink::positions(self))
    }
    fn write<'a>(
        &'a mut self,
        batches: &'a [Batch],
        positions: &'a [Position],
    ) -> BoxFuture<'a, Result<(), NodeError>> {
        Box::pin(Sink::write(self, batches, positions))
    }
    fn takes_all(&self) -> bool {
        Sink::takes_all(self)
    }
    fn origins(&mut self, origins: &mut dyn Iterator<Item = Option<Position>>) {
        Sink::origins(self, origins);
    }
    fn idle(&mut self) -> BoxFuture<'_, NodeError> {
        Box::pin(Sink::idle(self))
    }
    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(Sink::close(self))
    }
}

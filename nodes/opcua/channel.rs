//! A secure channel that is open: requests go out by it, and a task of its own sees to it that answers come in.
//!
//! The library's `Session` is not used. After a reconnect it sends no more Publish requests, makes second subscriptions beside
//! those that live on, forgets one that cannot be made at once, and acknowledges what nobody has stored (see its
//! `session/event_loop.rs` and `session/services/subscriptions`). The requests themselves are its own.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::BoxFuture;
use opcua::client::transport::{Connector, SecureChannelEventLoop, TransportPollResult};
use opcua::client::{AsyncSecureChannel, IdentityToken, SessionRetryPolicy};
use opcua::core::{RequestMessage, ResponseMessage};
use opcua::crypto::CertificateStore;
use opcua::sync::RwLock;
use opcua::types::{
    ByteString, ContextOwned, DateTime, EndpointDescription, Error, NamespaceMap, NodeId, RequestHeader,
    ResponseHeader, StatusCode,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::dial::{self, Dial};
use super::refusal::Refusal;

/// How long a set of keys is used, in milliseconds.
const KEYS_FOR: u32 = 600_000;

/// What must be polled so that anything happens.
type Events = SecureChannelEventLoop<<Dial as Connector>::Transport>;

/// A secure channel. Closed when it is dropped.
pub(super) struct Channel {
    inner: Arc<AsyncSecureChannel>,
    dial: Dial,
    closed: watch::Receiver<Option<StatusCode>>,
    tasks: JoinSet<()>,
    pub(super) timeout: Duration,
}

impl Channel {
    /// Opens one to the address of `dial`, secured as this endpoint says.
    pub(super) async fn open(
        dial: Dial,
        endpoint: EndpointDescription,
        store: CertificateStore,
        wait: Duration,
    ) -> Result<Self, Error> {
        let options = dial::limits();
        let context = ContextOwned::new_default(NamespaceMap::new(), options);
        let inner = AsyncSecureChannel::new(
            Arc::new(RwLock::new(store)),
            (endpoint, IdentityToken::Anonymous).into(),
            SessionRetryPolicy::default(),
            // It would move every time that the server sends by the difference of the clocks.
            false,
            Arc::default(),
            dial::transport(),
            KEYS_FOR,
            Arc::new(RwLock::new(context)),
        );
        // Behind a pointer: the compiler cannot see through its lifetimes (rust-lang/rust#100013).
        let opening: BoxFuture<'_, Result<Events, Error>> = Box::pin(inner.connect_no_retry(&dial));
        let opening = timeout(wait, opening);
        let late = |_| Error::new(StatusCode::BadTimeout, "no answer in time");
        let mut events = opening.await.map_err(late)??;
        let (tell, closed) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                if let TransportPollResult::Closed(code) = events.poll().await {
                    let _ = tell.send(Some(code));
                    return;
                }
            }
        });
        Ok(Self { inner: Arc::new(inner), dial, closed, tasks, timeout: wait })
    }

    /// The channel of the library, for its own requests.
    pub(super) fn inner(&self) -> Arc<AsyncSecureChannel> {
        Arc::clone(&self.inner)
    }

    /// Sends a request as it is and waits for the answer.
    pub(super) async fn ask(&self, request: impl Into<RequestMessage>) -> Result<ResponseMessage, Error> {
        self.inner.send(request, self.timeout).await
    }

    pub(super) fn handle(&self) -> u32 {
        self.inner.request_handle()
    }

    /// Says what the server's signature of the session is to be checked against: what it gave last, not what it gave to this
    /// channel.
    pub(super) fn set_nonce(&self, nonce: &ByteString) -> Result<(), Error> {
        self.dial
            .state()
            .map_or(Ok(()), |state| state.secure_channel().write().set_remote_nonce_from_byte_string(nonce))
    }

    /// Waits until the channel is closed by the other side, or broke.
    pub(super) async fn closed(&mut self) -> Refusal {
        let code = self.closed.wait_for(Option::is_some).await.map_or(None, |code| *code);
        Refusal::code(
            format_args!("the connection to {}", self.inner.endpoint_info().endpoint.endpoint_url),
            code.unwrap_or(StatusCode::BadConnectionClosed),
        )
    }

    /// Whether it is known to be closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.borrow().is_some()
    }

    /// Does something every so often, as long as the channel is open.
    pub(super) fn meanwhile(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Says goodbye and waits until that has left.
    pub(super) async fn close(mut self) {
        self.inner.close_channel().await;
        let _ = timeout(Duration::from_millis(500), self.closed.wait_for(Option::is_some)).await;
    }
}

/// The head of a request of the session with this token.
pub(super) fn head(channel: &AsyncSecureChannel, token: &NodeId, wait: Duration) -> RequestHeader {
    RequestHeader {
        authentication_token: token.clone(),
        timestamp: DateTime::now(),
        request_handle: channel.request_handle(),
        timeout_hint: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
        ..RequestHeader::default()
    }
}

/// An answer as it should be; else what the server said instead.
pub(super) fn good(header: &ResponseHeader) -> Result<(), Error> {
    if header.service_result.is_bad() {
        return Err(Error::new(header.service_result, "the server answered with an error"));
    }
    Ok(())
}

/// The answer to another question.
pub(super) fn unexpected(response: &ResponseMessage) -> Error {
    match response {
        ResponseMessage::ServiceFault(fault) => {
            Error::new(fault.response_header.service_result, "the server answered with an error")
        }
        _ => Error::new(StatusCode::BadUnknownResponse, "the answer to another request"),
    }
}

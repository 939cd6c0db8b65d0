//! From an address to an active session: what the server offers, who it is, who this is, and the session of before if it lives.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{BoxFuture, BuildContext, Clock, Link, LinkState, Notices, Tally};
use opcua::client::services::{ActivateSession, CreateSession};
use opcua::client::{IdentityToken, UARequest as _};
use opcua::core::ResponseMessage;
use opcua::crypto::{CertificateStore, SecurityPolicy, X509};
use opcua::sync::RwLock;
use opcua::types::{
    ActivateSessionResponse, ApplicationDescription, ApplicationType, ByteString, CloseSessionRequest,
    CreateSessionResponse, EndpointDescription, Error, GetEndpointsRequest, MessageSecurityMode, NodeId, StatusCode,
    UserTokenType,
};

use super::channel::{Channel, good, unexpected};
use super::dial::Dial;
use super::options::{Access, Security, host};
use super::pki::{Claims, Identity, Pki};
use super::profile::{Kind, Profile};
use super::refusal::Refusal;
use super::session::Session;

/// How long the server is asked to keep a session of which it hears nothing, at least.
const SESSION: Duration = Duration::from_secs(120);

/// How a server is reached, and the session with it that may live on.
pub(super) struct Server {
    url: String,
    security: Security,
    user: IdentityToken,
    timeout: Duration,
    kind: Option<Kind>,
    batch: Option<u32>,
    /// How long subscriptions shall outlive the connection.
    lifetime: Duration,
    pki: Pki,
    pipeline: String,
    node: String,
    kept: Option<Kept>,
    /// Whether it ever was connected.
    was_connected: bool,
    pub(super) link: Link,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tally: Tally,
    pub(super) notices: Notices,
}

/// A session whose connection was lost.
struct Kept {
    token: NodeId,
    nonce: ByteString,
    profile: Profile,
    namespaces: Vec<String>,
    every: Duration,
}

/// How a session was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is the one of before, and all that was in it.
    Reactivated,
    /// It is a new one.
    New,
}

impl Server {
    pub(super) fn new(access: &Access, context: &BuildContext) -> Result<Self, (&'static str, String)> {
        let user = access.user.as_ref().map_or(Ok(IdentityToken::Anonymous), |user| user.token(&context.base_dir))?;
        Ok(Self {
            url: access.url.clone(),
            security: access.security,
            user,
            timeout: access.timeout,
            kind: access.kind,
            batch: access.batch,
            lifetime: access.lifetime,
            pki: Pki::new(context.data_dir.join("pki"), &context.pipeline),
            pipeline: context.pipeline.clone(),
            node: context.node.clone(),
            kept: None,
            was_connected: false,
            link: context.links.link(&access.url),
            clock: Arc::clone(&context.clock),
            tally: context.tally.clone(),
            notices: context.notices.clone(),
        })
    }

    /// Leaves the folder of certificates as it is.
    pub(super) fn only_look(&mut self) {
        self.pki.only_look();
    }

    /// Certificates lie in this folder instead of that of the pipeline.
    pub(super) fn keep_certificates_in(&mut self, folder: std::path::PathBuf) {
        self.pki.move_to(folder);
    }

    /// The address, for messages.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Opens a session, or takes up the one of before.
    pub(super) async fn connect(&mut self) -> Result<(Session, How), Refusal> {
        self.link.set(if self.was_connected { LinkState::Reconnecting } else { LinkState::Connecting });
        let opened = self.open().await;
        match &opened {
            Ok(_) => {
                self.was_connected = true;
                self.link.set(LinkState::Connected);
            }
            Err(refusal) => {
                self.tally.add("connect_failed", 1);
                self.lost(refusal);
            }
        }
        opened
    }

    /// The link is not, or no longer, usable.
    pub(super) fn lost(&self, refusal: &Refusal) {
        self.link.trouble(LinkState::Reconnecting, refusal.message.clone());
    }

    /// The session is not to be taken up again.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    async fn open(&mut self) -> Result<(Session, How), Refusal> {
        #[cfg(feature = "opcua-simulator")]
        if let Some(folder) = super::simulator::folder_of(&self.url) {
            self.pki = Pki::new(folder, &self.pipeline);
        }
        let offered = self.discover().await?;
        let endpoint = self.choose(offered)?;
        let (identity, application_uri) = self.introduce(&endpoint).await?;
        let url = self.url.clone();
        let refused = |what: &str, error: &Error| Refusal::of(format_args!("{url}: {what}"), error);
        let channel = Channel::open(self.dial()?, endpoint.clone(), self.pki.store(), self.timeout).await;
        let channel = channel.map_err(|error| refused("no secure channel", &error))?;
        self.link.set(LinkState::Authenticating);
        if let Some(kept) = self.kept.take() {
            let activated = match channel.set_nonce(&kept.nonce) {
                Ok(()) => self.activate(&channel, &endpoint, identity.as_ref(), &kept.token).await,
                Err(error) => Err(error),
            };
            match activated {
                Ok(nonce) => return Ok((self.take_up(channel, Kept { nonce, ..kept }), How::Reactivated)),
                Err(error) if is_of_link(error.status()) => {
                    self.kept = Some(kept);
                    return Err(refused("the session of before", &error));
                }
                Err(_) => {}
            }
        }
        let created = self.create(&channel, &endpoint, identity.as_ref(), &application_uri).await;
        let (token, kept_for) = created.map_err(|error| refused("no session", &error))?;
        let activated = self.activate(&channel, &endpoint, identity.as_ref(), &token).await;
        let nonce = match activated {
            Ok(nonce) => nonce,
            Err(error) => {
                end(&channel, &token).await;
                return Err(refused("the session is not activated", &error));
            }
        };
        let every = (kept_for / 3).clamp(Duration::from_secs(1), Duration::from_secs(60));
        let kept = Kept { token, nonce, profile: Profile::default(), namespaces: Vec::new(), every };
        let mut session = self.take_up(channel, kept);
        let learnt = session.learn(self.kind, self.batch).await;
        learnt.map_err(|error| refused("what it says of itself cannot be read", &error))?;
        if let Some(kept) = &mut self.kept {
            (kept.profile, kept.namespaces) = (session.profile, session.namespaces.clone());
        }
        Ok((session, How::New))
    }

    fn take_up(&mut self, channel: Channel, kept: Kept) -> Session {
        let mut session = Session {
            channel,
            token: kept.token.clone(),
            profile: kept.profile,
            namespaces: kept.namespaces.clone(),
            tally: self.tally.clone(),
        };
        session.keep(kept.every);
        self.kept = Some(kept);
        session
    }

    fn dial(&self) -> Result<Dial, Refusal> {
        let (host, port) = host(&self.url).ok_or_else(|| Refusal::link(format!("{} names no host", self.url)))?;
        Ok(Dial::new(&self.url, host, port))
    }

    /// What the server offers. Nothing of it is taken on trust: a lie is found when the session is made.
    async fn discover(&self) -> Result<Vec<EndpointDescription>, Refusal> {
        let refused = |error: &Error| Refusal { is_for_a_person: false, ..Refusal::of(&self.url, error) };
        let dial = self.dial()?;
        let mut endpoint = EndpointDescription::from(self.url.as_str());
        endpoint.security_policy_uri = SecurityPolicy::None.to_uri().into();
        endpoint.security_mode = MessageSecurityMode::None;
        let channel = Channel::open(dial, endpoint, self.pki.store(), self.timeout).await;
        let channel = channel.map_err(|error| {
            // Its words name the address and what the system said.
            let refusal = refused(&error);
            if error.status() == StatusCode::BadCommunicationError {
                Refusal { message: error.to_string(), ..refusal }
            } else {
                refusal
            }
        })?;
        let request = GetEndpointsRequest {
            request_header: super::channel::head(&channel.inner(), &NodeId::null(), self.timeout),
            endpoint_url: self.url.as_str().into(),
            ..GetEndpointsRequest::default()
        };
        let answer = match channel.ask(request).await {
            Ok(ResponseMessage::GetEndpoints(answer)) => good(&answer.response_header).map(|()| answer.endpoints),
            Ok(other) => Err(unexpected(&other)),
            Err(error) => Err(error),
        };
        channel.close().await;
        Ok(answer.map_err(|error| refused(&error))?.unwrap_or_default())
    }

    /// The endpoint that has the security that was asked for, and takes the user.
    fn choose(&self, offered: Vec<EndpointDescription>) -> Result<EndpointDescription, Refusal> {
        let policy = |endpoint: &EndpointDescription| SecurityPolicy::from_uri(endpoint.security_policy_uri.as_ref());
        let kinds: Vec<String> = offered
            .iter()
            .map(|endpoint| format!("{} {}", policy(endpoint).to_str(), mode(endpoint.security_mode)))
            .collect();
        let fits = |endpoint: &EndpointDescription| {
            policy(endpoint) == self.security.policy && endpoint.security_mode == self.security.mode
        };
        let Some(mut endpoint) = offered.into_iter().find(fits) else {
            let (policy, mode) = (self.security.policy.to_str(), mode(self.security.mode));
            return Err(Refusal::person(
                format!("{} does not offer {policy} {mode}, only: {}", self.url, kinds.join(", ")),
                StatusCode::BadSecurityPolicyRejected,
            ));
        };
        let wanted = match &self.user {
            IdentityToken::Anonymous => UserTokenType::Anonymous,
            IdentityToken::UserName(..) => UserTokenType::UserName,
            IdentityToken::X509(..) => UserTokenType::Certificate,
            IdentityToken::IssuedToken(_) => UserTokenType::IssuedToken,
        };
        let policies = endpoint.user_identity_tokens.get_or_insert_default();
        if !policies.iter().any(|policy| policy.token_type == wanted) {
            let kinds: Vec<&str> = policies.iter().map(|policy| user(policy.token_type)).collect();
            return Err(Refusal::person(
                format!("{} does not take {}, only: {}", self.url, user(wanted), kinds.join(", ")),
                StatusCode::BadIdentityTokenRejected,
            ));
        }
        // None named is that of the channel. The library takes it for none at all.
        for policy in policies.iter_mut().filter(|policy| policy.security_policy_uri.is_empty()) {
            policy.security_policy_uri = self.security.policy.to_uri().into();
        }
        // The address that the server gives itself may not lead to it from here.
        endpoint.endpoint_url = self.url.as_str().into();
        Ok(endpoint)
    }

    /// Finds out who the server is, and says who this is.
    async fn introduce(&self, endpoint: &EndpointDescription) -> Result<(Option<Identity>, String), Refusal> {
        if self.security.policy == SecurityPolicy::None {
            return Ok((None, format!("urn:fieldflow:{}", self.pipeline)));
        }
        let pki = self.pki.clone();
        let identity = tokio::task::spawn_blocking(move || pki.identity()).await;
        let identity = identity.map_err(|error| Refusal::link(error.to_string()))??;
        let server = X509::from_byte_string(&endpoint.server_certificate).map_err(|_| {
            let message = format!("{} shows no certificate that can be read", self.url);
            Refusal::person(message, StatusCode::BadCertificateInvalid)
        })?;
        let own_host = host(&self.url).map(|(host, _)| host).filter(|_| !self.security.any_host);
        let claims = Claims { host: own_host.as_deref(), application_uri: endpoint.server.application_uri.as_ref() };
        self.pki
            .check(&server, &claims, self.clock.now())
            .map_err(|refusal| Refusal { message: format!("{}: {}", self.url, refusal.message), ..refusal })?;
        let bits = server.key_length().unwrap_or_default();
        if !self.security.policy.is_valid_keylength(bits) {
            return Err(Refusal::person(
                format!(
                    "{}: the key of the server has {bits} bits, which {} does not allow",
                    self.url,
                    self.security.policy.to_str()
                ),
                StatusCode::BadCertificatePolicyCheckFailed,
            ));
        }
        let application_uri = identity.application_uri.clone();
        Ok((Some(identity), application_uri))
    }

    /// Makes a session; its token, and how long the server keeps it.
    async fn create(
        &self,
        channel: &Channel,
        endpoint: &EndpointDescription,
        identity: Option<&Identity>,
        application_uri: &str,
    ) -> Result<(NodeId, Duration), Error> {
        let store: RwLock<CertificateStore> = RwLock::new(self.pki.store());
        let wanted = self.lifetime.max(SESSION).as_millis() as f64;
        let mut request =
            CreateSession::new_manual(&store, endpoint, 0, self.timeout, NodeId::null(), channel.handle())
                .client_description(ApplicationDescription {
                    application_uri: application_uri.into(),
                    product_uri: "urn:fieldflow".into(),
                    application_name: format!("fieldflow {}", self.pipeline).as_str().into(),
                    application_type: ApplicationType::Client,
                    ..ApplicationDescription::default()
                })
                .endpoint_url(self.url.as_str())
                .session_name(format!("fieldflow {} {}", self.pipeline, self.node).as_str())
                .session_timeout(wanted);
        if let Some(identity) = identity {
            request = request.client_certificate(identity.certificate.clone());
        }
        let inner = channel.inner();
        // Behind a pointer: the compiler cannot see through the lifetimes of this one (rust-lang/rust#100013).
        let sending: BoxFuture<'_, Result<CreateSessionResponse, Error>> = Box::pin(request.send(&inner));
        let created = sending.await?;
        let millis = created.revised_session_timeout;
        let millis = if millis.is_finite() { millis.clamp(1000.0, 86_400_000.0) } else { 60_000.0 };
        Ok((created.authentication_token, Duration::from_millis(millis as u64)))
    }

    /// Activates a session; what the next signature of it is to be made of.
    async fn activate(
        &self,
        channel: &Channel,
        endpoint: &EndpointDescription,
        identity: Option<&Identity>,
        token: &NodeId,
    ) -> Result<ByteString, Error> {
        let request = ActivateSession::new_manual(endpoint.clone(), 0, self.timeout, token.clone(), channel.handle())
            .identity_token(self.user.clone());
        let request = match identity {
            Some(identity) => request.private_key(identity.key.clone()),
            None => request,
        };
        let inner = channel.inner();
        let sending: BoxFuture<'_, Result<ActivateSessionResponse, Error>> = Box::pin(request.send(&inner));
        Ok(sending.await?.server_nonce)
    }
}

/// Ends a session and all that is in it.
pub(super) async fn end(channel: &Channel, token: &NodeId) {
    let request = CloseSessionRequest {
        request_header: super::channel::head(&channel.inner(), token, channel.timeout),
        delete_subscriptions: true,
    };
    let _ = channel.ask(request).await;
}

/// Whether it says something of the way to the server, not of what was asked.
pub(super) fn is_of_link(code: StatusCode) -> bool {
    matches!(
        code,
        StatusCode::BadTimeout
            | StatusCode::BadCommunicationError
            | StatusCode::BadConnectionClosed
            | StatusCode::BadNotConnected
            | StatusCode::BadSecureChannelClosed
            | StatusCode::BadSecureChannelIdInvalid
            | StatusCode::BadTcpSecureChannelUnknown
            | StatusCode::BadTcpServerTooBusy
            | StatusCode::BadServerHalted
            | StatusCode::BadShutdown
    )
}

fn mode(mode: MessageSecurityMode) -> &'static str {
    match mode {
        MessageSecurityMode::None => "None",
        MessageSecurityMode::Sign => "Sign",
        MessageSecurityMode::SignAndEncrypt => "SignAndEncrypt",
        MessageSecurityMode::Invalid => "(unknown)",
    }
}

fn user(kind: UserTokenType) -> &'static str {
    match kind {
        UserTokenType::Anonymous => "anonymous users",
        UserTokenType::UserName => "users with a password",
        UserTokenType::Certificate => "users with a certificate",
        UserTokenType::IssuedToken => "tokens that somebody else issues",
    }
}

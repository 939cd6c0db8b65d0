//! A session with a server that is active: what can be asked in it, and what the server says of itself.

use std::time::Duration;

use fieldflow_contract::Tally;
use opcua::core::{RequestMessage, ResponseMessage};
use opcua::types::{
    AttributeId, BrowsePath, CallMethodRequest, CallMethodResult, CallRequest, DataValue, Error, NodeId, QualifiedName,
    Range, ReadRequest, ReadValueId, ReferenceTypeId, RelativePath, RelativePathElement, RequestHeader, StatusCode,
    TimestampsToReturn, TranslateBrowsePathsToNodeIdsRequest, VariableId, Variant,
};
use tokio::time::sleep;

use super::channel::{Channel, good, head, unexpected};
use super::ids;
use super::profile::{Kind, Profile};
use super::subscription::is_of_size;

/// An active session.
pub(super) struct Session {
    pub(super) channel: Channel,
    /// The server's proof that a request is of this session.
    pub(super) token: NodeId,
    /// How the server is asked, by what it says of itself.
    pub(super) profile: Profile,
    /// The uris of its namespaces, in its order.
    pub(super) namespaces: Vec<String>,
    /// Where it is counted that the server refuses so much at once.
    pub(super) tally: Tally,
}

/// Sends a request and takes the answer that belongs to it.
macro_rules! ask {
    ($session:expr, $request:expr, $answer:ident) => {{
        let response = $session.channel.ask($request).await?;
        match response {
            ResponseMessage::$answer(answer) => {
                good(&answer.response_header)?;
                Ok(*answer)
            }
            other => Err(unexpected(&other)),
        }
    }};
}
pub(super) use ask;

/// Most namespaces that are looked at.
const MOST_NAMESPACES: usize = 4096;

impl Session {
    /// The head of a request.
    pub(super) fn head(&self) -> RequestHeader {
        head(&self.channel.inner(), &self.token, self.channel.timeout)
    }

    /// Asks the server what it is: the order of its namespaces, and how much it takes at once.
    pub(super) async fn learn(&mut self, kind: Option<Kind>, most: Option<u32>) -> Result<(), Error> {
        let asked = [
            VariableId::Server_NamespaceArray,
            VariableId::Server_ServerStatus_BuildInfo_ManufacturerName,
            VariableId::Server_ServerStatus_BuildInfo_ProductName,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
            VariableId::Server_ServerCapabilities_MaxMonitoredItemsPerSubscription,
        ];
        let nodes: Vec<ReadValueId> = asked.into_iter().map(|id| value_of(id.into())).collect();
        let mut values = self.read(nodes).await?.into_iter().map(|value| value.value);
        let mut next = || values.next().flatten();
        self.namespaces = match next() {
            Some(Variant::Array(array)) => array.values.iter().take(MOST_NAMESPACES).map(text).collect(),
            _ => return Err(Error::new(StatusCode::BadUnexpectedError, "no namespaces")),
        };
        let [manufacturer, product] = [next(), next()].map(|value| value.as_ref().map(text).unwrap_or_default());
        let mut number = || next().and_then(|value| value.try_cast_to::<u32>().ok());
        let limits = [(); 4].map(|()| number());
        self.profile = Profile::of(kind, &manufacturer, &product).within(limits).at_most(most);
        if let Some(most @ 1..) = number() {
            self.profile.per_subscription = most as usize;
        }
        Ok(())
    }

    /// Reads attributes.
    pub(super) async fn read(&self, nodes: Vec<ReadValueId>) -> Result<Vec<DataValue>, Error> {
        let asked = nodes.len();
        let request = ReadRequest {
            request_header: self.head(),
            max_age: 0.0,
            timestamps_to_return: TimestampsToReturn::Both,
            nodes_to_read: Some(nodes),
        };
        let answer: Result<_, Error> = ask!(self, request, Read);
        counted(answer?.results, asked)
    }

    /// Reads attributes, as many at once as the server takes; where it refuses so many, fewer from then on. What is too long for
    /// an answer by itself is bad. Before each request `so_far` hears how many were read, and may end it.
    pub(super) async fn read_all(
        &mut self,
        nodes: &[ReadValueId],
        mut so_far: impl FnMut(usize) -> Result<(), Error>,
    ) -> Result<Vec<DataValue>, Error> {
        let mut values = Vec::with_capacity(nodes.len());
        let mut rest = nodes;
        while !rest.is_empty() {
            so_far(values.len())?;
            let (chunk, after) = rest.split_at(self.profile.reads.clamp(1, rest.len()));
            match self.read(chunk.to_vec()).await {
                Ok(read) => values.extend(read),
                Err(error) if is_of_size(error.status()) && 1 < chunk.len() => {
                    self.profile.reads = chunk.len() / 2;
                    self.tally.add("batch_halved", 1);
                    continue;
                }
                Err(error) if is_of_size(error.status()) => {
                    values.push(DataValue { status: Some(error.status()), ..DataValue::default() });
                }
                Err(error) => return Err(error),
            }
            rest = after;
        }
        Ok(values)
    }

    /// Follows paths from the root; each comes to one node, or to a reason why not.
    pub(super) async fn follow(&self, paths: Vec<BrowsePath>) -> Result<Vec<Result<NodeId, StatusCode>>, Error> {
        let asked = paths.len();
        let request = TranslateBrowsePathsToNodeIdsRequest { request_header: self.head(), browse_paths: Some(paths) };
        let answer: Result<_, Error> = ask!(self, request, TranslateBrowsePathsToNodeIds);
        let found = counted(answer?.results, asked)?.into_iter().map(|result| {
            if result.status_code.is_bad() {
                return Err(result.status_code);
            }
            let whole = |target: &opcua::types::BrowsePathTarget| target.remaining_path_index == u32::MAX;
            let target = result.targets.unwrap_or_default().into_iter().find(whole);
            target.map(|target| target.target_id.node_id).ok_or(StatusCode::BadNoMatch)
        });
        Ok(found.collect())
    }

    /// The path from this node, or from the root if none is named.
    pub(super) fn path(from: Option<NodeId>, relative_path: RelativePath) -> BrowsePath {
        BrowsePath { starting_node: from.unwrap_or_else(ids::root), relative_path }
    }

    /// The range that the server states for a number: its lowest and highest value.
    pub(super) async fn range(&self, node: NodeId) -> Result<Option<(f64, f64)>, Error> {
        let name = RelativePathElement {
            reference_type_id: ReferenceTypeId::HasProperty.into(),
            is_inverse: false,
            include_subtypes: true,
            target_name: QualifiedName::new(0, "EURange"),
        };
        let path = Self::path(Some(node), RelativePath { elements: Some(vec![name]) });
        let Some(Ok(property)) = self.follow(vec![path]).await?.into_iter().next() else { return Ok(None) };
        let value = self.read(vec![value_of(property)]).await?.into_iter().next().and_then(|value| value.value);
        let Some(Variant::ExtensionObject(object)) = value else { return Ok(None) };
        Ok(object.inner_as::<Range>().map(|range| (range.low, range.high)))
    }

    /// Calls a method.
    pub(super) async fn call(
        &self,
        object: NodeId,
        method: NodeId,
        arguments: Vec<Variant>,
    ) -> Result<CallMethodResult, Error> {
        let call = CallMethodRequest { object_id: object, method_id: method, input_arguments: Some(arguments) };
        let request = CallRequest { request_header: self.head(), methods_to_call: Some(vec![call]) };
        let answer: Result<_, Error> = ask!(self, request, Call);
        let result = counted(answer?.results, 1)?.into_iter().next();
        result.ok_or_else(|| Error::new(StatusCode::BadUnexpectedError, "no result"))
    }

    /// Asks for the state of the server every so often, so that it does not end a session in which nothing else is asked.
    pub(super) fn keep(&mut self, every: Duration) {
        let (channel, token, wait) = (self.channel.inner(), self.token.clone(), self.channel.timeout);
        self.channel.meanwhile(async move {
            loop {
                sleep(every).await;
                let request = ReadRequest {
                    request_header: head(&channel, &token, wait),
                    max_age: 0.0,
                    timestamps_to_return: TimestampsToReturn::Neither,
                    nodes_to_read: Some(vec![value_of(VariableId::Server_ServerStatus_State.into())]),
                };
                // Whoever uses the session finds out what is wrong with it.
                let _ = channel.send(RequestMessage::from(request), wait).await;
            }
        });
    }
}

/// The value of a node.
pub(super) fn value_of(node_id: NodeId) -> ReadValueId {
    attribute_of(node_id, AttributeId::Value)
}

/// An attribute of a node.
pub(super) fn attribute_of(node_id: NodeId, attribute: AttributeId) -> ReadValueId {
    ReadValueId { node_id, attribute_id: attribute as u32, ..ReadValueId::default() }
}

/// A text of a server; empty if it is none.
pub(super) fn text(value: &Variant) -> String {
    match value {
        Variant::String(text) => text.as_ref().to_owned(),
        Variant::LocalizedText(text) => text.text.as_ref().to_owned(),
        _ => String::new(),
    }
}

/// As many results as were asked for.
pub(super) fn counted<T>(results: Option<Vec<T>>, asked: usize) -> Result<Vec<T>, Error> {
    let results = results.unwrap_or_default();
    if results.len() == asked {
        Ok(results)
    } else {
        Err(Error::new(StatusCode::BadUnknownResponse, format!("{} results for {asked} questions", results.len())))
    }
}

//! What a walk asks of a server, as much at once as the server takes.

use opcua::core::ResponseMessage;
use opcua::types::{
    BrowseDescription, BrowseDirection, BrowseNextRequest, BrowseRequest, BrowseResult, ByteString, DataValue, Error,
    NodeClass, NodeId, ReferenceTypeId, StatusCode, VariableId, Variant,
};

use crate::opcua::channel::{good, unexpected};
use crate::opcua::session::{Session, ask, counted, value_of};

/// Most references of a node in one answer; a server may give less.
const AT_ONCE: u32 = 1000;
/// Which fields of a reference are wanted: its type, and the class and the name of the node.
const FIELDS: u32 = 0b1101;

impl Session {
    /// Which things lead on from each of these nodes.
    pub(super) async fn browse(&self, nodes: Vec<NodeId>) -> Result<Vec<BrowseResult>, Error> {
        let asked = nodes.len();
        let what = |node_id| BrowseDescription {
            node_id,
            browse_direction: BrowseDirection::Forward,
            reference_type_id: ReferenceTypeId::HierarchicalReferences.into(),
            include_subtypes: true,
            node_class_mask: NodeClass::Object as u32 | NodeClass::Variable as u32,
            result_mask: FIELDS,
        };
        let request = BrowseRequest {
            request_header: self.head(),
            requested_max_references_per_node: AT_ONCE,
            nodes_to_browse: Some(nodes.into_iter().map(what).collect()),
            ..BrowseRequest::default()
        };
        let answer: Result<_, Error> = ask!(self, request, Browse);
        counted(answer?.results, asked)
    }

    /// What else there is; or the server is told that nobody will ask for it.
    pub(super) async fn browse_next(&self, points: Vec<ByteString>, is_over: bool) -> Result<Vec<BrowseResult>, Error> {
        let asked = points.len();
        let request = BrowseNextRequest {
            request_header: self.head(),
            release_continuation_points: is_over,
            continuation_points: Some(points),
        };
        let answer: Result<_, Error> = ask!(self, request, BrowseNext);
        if is_over { Ok(Vec::new()) } else { counted(answer?.results, asked) }
    }

    /// Most nodes to look into at once: what the server states, and no more than its kind can do.
    pub(super) async fn most_to_browse(&self) -> Result<usize, Error> {
        let asked = [
            VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
            VariableId::Server_ServerCapabilities_MaxBrowseContinuationPoints,
        ];
        let stated = self.read(asked.map(|id| value_of(id.into())).to_vec()).await?;
        let number = |value: DataValue| value.value.and_then(|value| value.try_cast_to::<u32>().ok());
        let least = stated.into_iter().filter_map(number).filter(|most| *most != 0).map(|most| most as usize).min();
        Ok(least.unwrap_or(usize::MAX).min(self.profile.reads).max(1))
    }
}

/// What was read, if it is good.
pub(super) fn good_value(value: DataValue) -> Result<Variant, StatusCode> {
    match (value.status.unwrap_or(StatusCode::Good), value.value) {
        (status, _) if status.is_bad() => Err(status),
        (_, Some(value)) => Ok(value),
        (_, None) => Ok(Variant::Empty),
    }
}

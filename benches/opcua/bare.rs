//! A client of the library with its own session, which counts and does nothing else: what can be reached at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opcua::client::{ClientBuilder, DataChangeCallback, IdentityToken};
use opcua::types::{
    EndpointDescription, MessageSecurityMode, MonitoredItemCreateRequest, MonitoringMode, MonitoringParameters, NodeId,
    ReadValueId, TimestampsToReturn, UserTokenPolicy,
};
use tokio::time::Instant;

use super::support::two_workers;
use super::{BATCH, ITEMS, PUBLISHING, Took, watch};

/// Connects, subscribes to all items, and counts for so long.
pub(crate) fn run(url: &str, steady: Duration) -> Took {
    two_workers().block_on(count(url, steady))
}

async fn count(url: &str, steady: Duration) -> Took {
    let values = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut client = ClientBuilder::new()
        .application_name("bare")
        .application_uri("urn:bare")
        .trust_server_certs(true)
        .create_sample_keypair(false)
        .max_array_length(1 << 17)
        .client()
        .expect("a client");
    let endpoint: EndpointDescription = (url, "None", MessageSecurityMode::None, UserTokenPolicy::anonymous()).into();
    let connected = client.connect_to_matching_endpoint(endpoint, IdentityToken::Anonymous).await;
    let (session, events) = connected.expect("the server is there");
    let events = events.spawn();
    session.wait_for_connection().await;
    let namespace = session.get_namespace_index("urn:plant").await.expect("its namespace");
    let counted = Arc::clone(&values);
    let callback = DataChangeCallback::new(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let subscription = session.create_subscription(PUBLISHING, 1200, 10, 10_000, 0, true, callback).await;
    let subscription = subscription.expect("a subscription");
    for first in (0..ITEMS).step_by(BATCH) {
        let items = (first..first + BATCH).map(|index| item(namespace, index)).collect();
        let created = session.create_monitored_items(subscription, TimestampsToReturn::Both, items).await;
        assert!(created.expect("items").iter().all(|item| item.result.status_code.is_good()));
    }
    let took = watch(began, || values.load(Ordering::Relaxed), steady).await;
    session.disconnect().await.expect("it was connected");
    events.await.expect("it ends well");
    took
}

fn item(namespace: u16, index: usize) -> MonitoredItemCreateRequest {
    MonitoredItemCreateRequest {
        item_to_monitor: ReadValueId::from(NodeId::new(namespace, format!("item{index}"))),
        monitoring_mode: MonitoringMode::Reporting,
        requested_parameters: MonitoringParameters {
            client_handle: index as u32,
            sampling_interval: -1.0,
            queue_size: 10,
            discard_oldest: true,
            ..MonitoringParameters::default()
        },
    }
}

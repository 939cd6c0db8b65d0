//! Which of several brokers is used, and when another one.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::scripted::{Scripted, WELCOME};
use super::tests::client;
use super::*;

/// An address at which nobody listens yet.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn the_next_broker_is_used_while_the_best_one_is_away_and_the_best_one_again_after_a_quiet_time() {
    let (best, next) = (nobody(), Scripted::start().await);
    let quiet = Duration::from_millis(300);
    let (mut client, context, _dir) =
        client(&[format!("mqtt://{best}"), next.url()], |options| options.fail_back = quiet);
    let (connection, _peer) = tokio::join!(client.connect(), next.welcome(WELCOME));
    let connection = connection.unwrap();
    assert_eq!(client.active(), Some(1));
    assert!(timeout(quiet * 2, client.better()).await.is_err(), "it is not there");
    assert_eq!(client.better_now(), None);

    let listener = Scripted::at(best).await;
    let began = Instant::now();
    let looked_at = async {
        loop {
            drop(listener.accept().await);
        }
    };
    let place = tokio::select! {
        place = client.better() => place,
        () = looked_at => 9,
    };
    assert!(quiet <= began.elapsed(), "{:?}: it was there for so long", began.elapsed());
    assert_eq!(place, 0);
    connection.close().await;
    client.prefer(place);
    let (connection, _peer) = tokio::join!(client.connect(), listener.welcome(WELCOME));
    connection.unwrap();
    assert_eq!(client.active(), Some(0));
    let said = context.notices.last();
    assert!(said.iter().any(|said| said.contains(&next.url())), "{said:?}");
    assert!(said.last().unwrap().contains(&best.to_string()), "{said:?}");
}

#[tokio::test]
async fn a_broker_that_comes_and_goes_is_not_used_again_before_it_has_stayed() {
    let (best, next) = (nobody(), Scripted::start().await);
    let quiet = Duration::from_millis(600);
    let (mut client, _context, _dir) =
        client(&[format!("mqtt://{best}"), next.url()], |options| options.fail_back = quiet);
    let (connection, _peer) = tokio::join!(client.connect(), next.welcome(WELCOME));
    let _connection = connection.unwrap();
    let flaps = async {
        for _ in 0..3 {
            let listener = Scripted::at(best).await;
            drop(timeout(quiet / 2, async { drop(listener.accept().await) }).await);
            drop(listener);
            // Long enough for a look.
            tokio::time::sleep(quiet).await;
        }
    };
    tokio::select! {
        place = client.better() => panic!("{place} was never there for {quiet:?}"),
        () = flaps => {}
    }
}

#[tokio::test]
async fn each_way_has_its_own_time_after_which_it_has_failed() {
    // One that takes connections and never says a word, and one that never acknowledges.
    let (mute, next) = (TcpListener::bind("127.0.0.1:0").unwrap(), Scripted::start().await);
    let urls = [format!("mqtt://{}", mute.local_addr().unwrap()), next.url()];
    let (mut client, _context, _dir) = client(&urls, |options| {
        options.fail_after = vec![Some(Duration::from_millis(200)), Some(Duration::from_millis(500))];
    });
    let began = Instant::now();
    let (connection, mut peer) = tokio::join!(client.connect(), next.welcome(WELCOME));
    let connection = connection.unwrap();
    let took = began.elapsed();
    assert!(Duration::from_millis(200) <= took && took < Duration::from_secs(3), "{took:?}");
    let message = Message { topic: "t".to_owned(), qos: Qos::AtLeastOnce, ..Message::default() };
    let receipt = connection.publisher().publish(message).await.unwrap();
    let began = Instant::now();
    let (told, _) = tokio::join!(receipt, peer.expect(3));
    let took = began.elapsed();
    assert!(told.unwrap_err().message.contains("acknowledged no message within 500ms"));
    assert!(Duration::from_millis(500) <= took && took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_broker_that_wants_a_person_to_act_is_passed_over_and_told_of_once() {
    let (refusing, next) = (Scripted::start().await, Scripted::start().await);
    let (mut client, context, _dir) = client(&[refusing.url(), next.url()], |_| {});
    for _ in 0..2 {
        // Left alone from the second time on.
        let refuse = async {
            let mut peer = refusing.accept().await;
            // One that only looks says nothing.
            if peer.packet().await.is_some() {
                peer.send(&[0x20, 3, 0, 0x86, 0]).await;
            }
        };
        let (connection, _, _peer) =
            tokio::join!(client.connect(), timeout(Duration::from_millis(300), refuse), next.welcome(WELCOME));
        connection.unwrap();
        assert_eq!(client.active(), Some(1));
        client.lost(&Refusal::link("gone"));
    }
    let said = context.notices.last();
    let loud: Vec<_> = said.iter().filter(|said| said.contains("wrong user name or password")).collect();
    assert_eq!(loud.len(), 1, "{said:?}");
}

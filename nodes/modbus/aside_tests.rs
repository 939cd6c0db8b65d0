//! Devices that refuse some of what they are asked for.

use std::collections::BTreeMap;

use fieldflow_contract::Source as _;
use serde_json::json;
use tokio::time::Instant;

use super::peer::{Asked, Do, beside, device, pipe, poll, source};

#[tokio::test(start_paused = true)]
async fn a_refused_block_is_searched_once_and_read_without_what_is_refused() {
    let connections = pipe("holes");
    let requests = std::sync::Mutex::new(Vec::new());
    let script = |asked: Asked| {
        requests.lock().unwrap().push((asked.start, asked.count));
        let bad = |at: u16| [3, 11].contains(&at);
        if (asked.start..asked.start + asked.count).any(bad) { Do::Refuse(2) } else { Do::Answer }
    };
    let tags: BTreeMap<String, _> =
        (0..16).map(|n| (format!("t{n:02}"), json!({ "at": format!("holding:{n}") }))).collect();
    let (mut source, _) = source("memory://holes", &json!(tags), &json!({ "every": "1s", "max_gap": 5 }));
    beside!(device(connections, false, script), async {
        source.connect().await.unwrap();
        let mut first = poll(&mut source).await;
        first.sort();
        assert_eq!(first.len(), 16);
        assert_eq!((first[3].as_str(), first[11].as_str()), ("t03=bad:configuration", "t11=bad:configuration"));
        assert_eq!(first[15], "t15=15");
        assert!(requests.lock().unwrap().len() <= 17, "{requests:?}");
        requests.lock().unwrap().clear();
        assert_eq!(poll(&mut source).await.len(), 14);
        assert_eq!(*requests.lock().unwrap(), [(0, 3), (4, 7), (12, 4)], "the gap rule does not bridge them");
    });
    let stored = String::from_utf8(source.unit.saved.load().unwrap()).unwrap();
    assert!(stored.contains(r#"{"at":"holding:3","count":1,"exception":2}"#), "{stored}");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_only_together_is_read_apart_and_a_block_that_is_too_large_is_halved_for_good() {
    for (name, code, limit, expected) in
        [("gap", 2, u16::MAX, vec![(0, 20), (23, 17)]), ("large", 3, 12, vec![(0, 10), (10, 10), (23, 10), (33, 7)])]
    {
        let connections = pipe(name);
        let requests = std::sync::Mutex::new(Vec::new());
        let script = |asked: Asked| {
            requests.lock().unwrap().push((asked.start, asked.count));
            let end = asked.start + asked.count;
            let is_gap = code == 2 && asked.start <= 21 && 21 < end;
            if is_gap || limit < asked.count { Do::Refuse(code) } else { Do::Answer }
        };
        let tags: BTreeMap<String, _> =
            (0..20).chain(23..40).map(|n| (format!("t{n:02}"), json!({ "at": format!("holding:{n}") }))).collect();
        let gap = if code == 2 { 5 } else { 0 };
        let (mut source, tally) =
            source(&format!("memory://{name}"), &json!(tags), &json!({ "every": "1s", "max_gap": gap }));
        beside!(device(connections, false, script), async {
            source.connect().await.unwrap();
            for _ in 0..4 {
                let records = poll(&mut source).await;
                assert_eq!(records.len(), 37);
                assert!(records.iter().all(|text| !text.contains("bad")), "{records:?}");
                if requests.lock().unwrap().len() > expected.len() {
                    requests.lock().unwrap().clear();
                }
            }
            requests.lock().unwrap().clear();
            poll(&mut source).await;
            assert_eq!(*requests.lock().unwrap(), expected);
        });
        assert_eq!(tally.snapshot().get("set_aside"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_asked_for_again_and_taken_when_it_is_there() {
    let connections = pipe("boot");
    let start = Instant::now();
    let script =
        |asked: Asked| if asked.start == 5 && start.elapsed().as_secs() < 100 { Do::Refuse(2) } else { Do::Answer };
    let tags = json!({ "a": { "at": "holding:1" }, "b": { "at": "holding:5" } });
    let (mut source, _) = source("memory://boot", &tags, &json!({ "every": "1s" }));
    beside!(device(connections, false, script), async {
        source.connect().await.unwrap();
        assert_eq!(poll(&mut source).await, ["a=1", "b=bad:configuration"]);
        let mut all = Vec::new();
        while start.elapsed().as_secs() < 200 {
            all.extend(poll(&mut source).await);
        }
        assert_eq!(all.iter().filter(|text| *text == "b=bad:configuration").count(), 0, "told once");
        assert_eq!(all.iter().filter(|text| *text == "b=5").count(), 51, "from the second time on, 150 s later");
    });
}

#[tokio::test(start_paused = true)]
async fn what_was_learnt_before_a_restart_is_not_searched_for_again() {
    let connections = pipe("restart");
    let requests = std::sync::Mutex::new(Vec::new());
    let script = |asked: Asked| {
        requests.lock().unwrap().push((asked.start, asked.count));
        Do::Answer
    };
    let tags = json!({ "a": { "at": "holding:1" }, "b": { "at": "holding:2" }, "c": { "at": "holding:3" } });
    let (mut source, _) = source("memory://restart", &tags, &json!({ "every": "1s" }));
    let stored = r#"{"url":"memory://restart","unit":1,"cuts":[],"registers":null,"bits":null,
        "illegal":[{"at":"holding:2","count":1,"exception":2},{"at":"holding:9","count":1,"exception":2}]}"#;
    source.unit.saved.found(stored.into());
    beside!(device(connections, false, script), async {
        source.connect().await.unwrap();
        assert_eq!(poll(&mut source).await, ["b=bad:configuration"]);
        assert_eq!(poll(&mut source).await, ["a=1", "c=3"]);
    });
    assert_eq!(*requests.lock().unwrap(), [(1, 1), (3, 1)]);
}

//! A table of tags beside the pipeline file: validated, simulated and read, wherever the program is started.

use std::fs;
use std::net::TcpListener;

use super::{Site, ask};

#[test]
fn a_table_of_tags_lies_beside_the_pipeline_file_for_every_verb() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = Site::of(&format!(
        "version: 1\nname: table\nnodes:\n  plc: {{ type: modbus, url: \"tcp://127.0.0.1:{port}\", tags_from: map.csv }}\n  \
         out: {{ type: console }}\nedges: [plc -> out]\n"
    ));
    let file = site.file.to_str().unwrap();
    let (code, _, said) = ask(&["validate", file]);
    assert!(code == 1 && said.contains("map.csv cannot be read"), "{said}");

    let table = site.dir.path().join("map.csv");
    fs::write(&table, "tag,at,order\nlevel,holding:7,CDAB\n").unwrap();
    let (code, _, said) = ask(&["validate", file]);
    assert!(code == 1 && said.contains("map.csv:2: order: the order `CDAB` does not fit"), "{said}");

    fs::write(&table, "tag,at,as,length\nlevel,holding:7,f32,\nname,input:0,string,4\n").unwrap();
    let data = site.data();
    let (code, records, said) =
        ask(&["run", file, "--data-dir", data.to_str().unwrap(), "--simulate", "--for", "1s", "--listen", "off"]);
    assert_eq!(code, 0, "{said}");
    for tag in ["level", "name"] {
        let record = records.lines().find(|line| line.contains(&format!(r#""tag":"{tag}""#)));
        assert!(record.is_some_and(|record| !record.contains("quality")), "{tag} is good: {records}");
    }
}

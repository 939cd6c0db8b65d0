//! Tables of tags: what a row means, and how a mistake is told with its row and column.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::super::*;
use super::COLUMNS;

/// The points of a node with these options beside this table, and what is found wrong with the table.
fn read(options: &Json, table: &[u8]) -> (Vec<Point>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("map.csv"), table).unwrap();
    let mut all = json!({ "url": "tcp://plc", "tags_from": "map.csv" });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let config: Config = serde_json::from_value(all).unwrap();
    let (mut findings, mut same) = (Findings::default(), Findings::default());
    config.check_map(folder.path(), &mut findings);
    let points = config.points(Some(folder.path()), &mut same);
    assert_eq!(findings, same, "building finds what checking does");
    assert!(findings.0.iter().all(|found| found.at == At::from("tags_from")));
    (points, findings.0.into_iter().map(|found| found.message).collect())
}

fn rows(table: &str) -> (Vec<Point>, Vec<String>) {
    read(&json!({}), table.as_bytes())
}

#[test]
fn a_table_says_what_the_options_would() {
    let table = "\
tag;at;as;bit;half;length;chars;pad;order;count;every;invalid;saturated;enum;bits;factor_from;factor_from.as;factor_from.order;factor_from.means;factor_from.invalid
a;holding:0;f32;;;;;;CDAB;2;5s;0x7FC00000|nan|-1.5;;;;input:7;f32;CDAB;factor;nan
b;holding:10;bit;3;;;;;;;;;;;;;;;;
c;holding:11;i8;;high;;;;;;;-128;127;;;;;;;
d;holding:12;string;;;8;1;space;;;;;;;;;;;;
e;holding:20;;;;;;;BA;;;;;0 = off | 0x1 = on;e.run=0|e.mode=4:2;;;;;
f;holding:30;i16;;;;;;;;;;;;;holding:40;;;;
";
    let from = json!({ "at": "input:7", "as": "f32", "order": "CDAB", "means": "factor", "invalid": ["nan"] });
    let options = json!({
        "a": { "at": "holding:0", "as": "f32", "order": "CDAB", "count": 2, "every": "5s", "factor_from": from,
               "invalid": [0x7FC0_0000, "nan", -1.5] },
        "b": { "at": "holding:10", "as": "bit", "bit": 3 },
        "c": { "at": "holding:11", "as": "i8", "half": "high", "invalid": [-128], "saturated": [127] },
        "d": { "at": "holding:12", "as": "string", "length": 8, "chars": 1, "pad": "space" },
        "e": { "at": "holding:20", "order": "BA", "enum": { "0": "off", "1": "on" }, "bits": { "e.run": 0, "e.mode": [4, 2] } },
        "f": { "at": "holding:30", "as": "i16", "factor_from": { "at": "holding:40" } },
    });
    let config: Config = serde_json::from_value(json!({ "url": "tcp://plc", "tags": options })).unwrap();
    let mut findings = Findings::default();
    let expected = config.points(None, &mut findings);
    assert_eq!(findings.0, []);
    let (points, found) = rows(table);
    assert_eq!((found, format!("{points:#?}")), (vec![], format!("{expected:#?}")));
}

#[test]
fn every_option_of_a_tag_is_a_column_and_the_other_way_round() {
    let schema = schemars::schema_for!(TagOptions).to_value();
    let keys = |schema: &Json| schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut expected = vec!["tag".to_owned()];
    expected.extend(keys(&schema));
    let factor = keys(&schemars::schema_for!(FactorFrom).to_value());
    expected.extend(factor.iter().filter(|key| *key != "at").map(|key| format!("factor_from.{key}")));
    expected.sort();
    let mut columns = COLUMNS.map(str::to_owned);
    columns.sort();
    assert_eq!(columns.as_slice(), expected);
}

#[test]
fn a_mistake_is_told_with_its_row_and_column() {
    for (table, said) in [
        ("", "map.csv is empty"),
        ("tag,at\n", "map.csv has no tag"),
        ("tag,at,name\na,coil:0,x\n", "map.csv:1: there is no column `name`"),
        ("tag,at,at\na,coil:0,\n", "map.csv:1: the column `at` is there twice"),
        ("tag,at,\na,coil:0,\n", "map.csv:1: column 3 has no name"),
        ("tag,as\na,u16\n", "map.csv:1: the column `at` is missing"),
        ("tag,at\n\n\"a\nb\",coil:0\nc,40001\n", "map.csv:5: at: `40001` alone does not say"),
        ("tag,at\na,coil:0,x\n", "map.csv:2: 3 cells, but 2 columns"),
        ("tag,at\n,coil:0\n", "map.csv:2: tag: the cell is empty"),
        ("tag,at\na,\n", "map.csv:2: at: the cell is empty"),
        ("tag,at,as\na,coil:0,int\n", "map.csv:2: as: there is no type `int`"),
        ("tag,at,bit\na,holding:0,x\n", "map.csv:2: bit: `x` is not a number"),
        ("tag,at,half\na,holding:0,left\n", "map.csv:2: half: `left` is not known here"),
        ("tag,at,every\na,holding:0,5\n", "map.csv:2: every: a number with its unit is wanted"),
        ("tag,at,every\na,holding:0,0s\n", "map.csv:2: every: 0s is too short"),
        ("tag,at,invalid\na,holding:0,0x1 0x2\n", "map.csv:2: invalid: `0x1 0x2` is not a raw value"),
        ("tag,at,invalid\na,holding:0,1|65536\n", "map.csv:2: invalid: 0x10000 does not fit"),
        ("tag,at,enum\na,holding:0,0:off\n", "map.csv:2: enum: `0:off` is not a number with its word"),
        ("tag,at,enum\na,holding:0,0=a|0=b\n", "map.csv:2: enum: `0` is there twice"),
        ("tag,at,bits\na,holding:0,b\n", "map.csv:2: bits: `b` is not a tag with its bit"),
        ("tag,at,bits\na,holding:0,b=16\n", "map.csv:2: bits: u16 has no bit 16"),
        ("tag,at,order\na,holding:0,CDAB\n", "map.csv:2: order: the order `CDAB` does not fit"),
        ("tag,at,factor_from.as\na,holding:0,i16\n", "map.csv:2: factor_from: the cell is empty, but"),
        ("tag,at,factor_from\na,holding:0,x\n", "map.csv:2: factor_from: `x` is not a Modbus address"),
        ("tag,at\na,coil:0\na,coil:1\n", "map.csv:3: the tag `a` is there twice, see map.csv:2"),
        ("tag,at\na,coil:0\nb,coil:0\n", "map.csv:3: `a` and `b` are the same value of the device, see map.csv:2"),
        ("tag,at\n\"a,coil:0\n", "map.csv:2: a quote is opened and never closed"),
    ] {
        let (_, found) = rows(table);
        assert!(matches!(&found[..], [one] if one.starts_with(said)), "{table}: {found:#?}");
    }
}

#[test]
fn a_table_and_the_options_are_read_together() {
    let options = json!({ "tags": { "a": { "at": "coil:0" }, "b": { "at": "40001" } }, "address_style": "modicon" });
    let (points, found) = read(&options, b"tag,at\na,coil:7\nc,40001\nd,30001\n");
    assert_eq!(
        found,
        [
            "map.csv:2: the tag `a` is there twice, see `tags.a`",
            "map.csv:3: `b` and `c` are the same value of the device, see `tags.b`"
        ]
    );
    assert_eq!(points.iter().map(|point| point.name.as_str()).collect::<Vec<_>>(), ["a", "b", "a", "c", "d"]);
}

#[test]
fn a_table_that_cannot_be_read_is_told() {
    let config: Config = serde_json::from_value(json!({ "url": "tcp://plc", "tags_from": "none.csv" })).unwrap();
    let mut findings = Findings::default();
    config.check_map(Path::new("/nowhere"), &mut findings);
    assert!(findings.0[0].message.starts_with("/nowhere/none.csv cannot be read"), "{findings:?}");
    let config: Config = serde_json::from_value(json!({ "url": "tcp://plc", "tags_from": "zero" })).unwrap();
    let mut findings = Findings::default();
    config.check_map(Path::new("/dev"), &mut findings);
    assert_eq!(findings.0[0].message, "/dev/zero cannot be read: it is no file", "it would never end");
    let (_, found) = read(&json!({}), b"tag,at\na,coil:0\nK\xFChler,coil:1\n");
    assert_eq!(found, ["map.csv:3: what stands here is not UTF-8; save the table as \"CSV UTF-8\""]);
}

#[test]
fn a_column_that_is_wrong_in_every_row_does_not_drown_the_rest() {
    let mut table = "tag,at,as\n".to_owned();
    for n in 0..20_000 {
        writeln!(table, "t{n},holding:{n},u61").unwrap();
    }
    let (_, found) = rows(&table);
    assert_eq!(found.len(), 31);
    assert_eq!(found[30], "map.csv: 19970 more of the kind");
}

#[test]
fn a_node_has_so_many_tags_and_no_more_however_few_rows_name_them() {
    let row = |n| format!("t{n},coil:0,,,,,,,,65535\n");
    let table: String = (0..2000).map(row).collect();
    let header = "tag,at,as,bit,half,length,chars,pad,order,count\n";
    let (points, found) = rows(&format!("{header}{table}"));
    assert_eq!((points.len(), found.len()), (65_535, 31));
    assert_eq!(found[0], "map.csv:3: these are more than 65536 tags");
}

#[test]
fn twenty_thousand_rows_are_twenty_thousand_tags() {
    let mut table = "tag,at,as,order,factor_from\n".to_owned();
    for n in 0..20_000 {
        writeln!(table, "area{}.t{n},holding:{},f32,CDAB,holding:{}", n % 7, 2 * n, 50_000 + n / 100).unwrap();
    }
    let (points, found) = rows(&table);
    assert_eq!((points.len(), found.len()), (20_000, 0));
}

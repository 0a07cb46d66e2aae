//! Owned records as JSON and CBOR.
#![cfg(feature = "serde")]

use lwm2m_codec::{
    ObjectLink, Path,
    owned::{self, OwnedError, OwnedRecord, OwnedValue},
};

/// A record of each type.
fn records() -> Vec<OwnedRecord> {
    let values = [
        None,
        Some(OwnedValue::String("a\"é".into())),
        Some(OwnedValue::Integer(-1)),
        Some(OwnedValue::Unsigned(u64::MAX)),
        Some(OwnedValue::Float(0.5)),
        Some(OwnedValue::Boolean(true)),
        Some(OwnedValue::Opaque(vec![0, 0xff])),
        Some(OwnedValue::Time(1_700_000_000)),
        Some(OwnedValue::ObjectLink(ObjectLink::new(3, 0))),
        Some(OwnedValue::CoreLink("</3/0>".into())),
        Some(OwnedValue::Null),
    ];
    let record = |(index, value)| OwnedRecord {
        path: Path::resource(3, 0, index as u16),
        time: (index == 1).then_some(2.5),
        value,
    };
    values.into_iter().enumerate().map(record).collect()
}

#[test]
fn every_value_survives_json_and_cbor() {
    let records = records();
    let json = owned::to_json(&records).unwrap();
    assert_eq!(owned::from_json(&json), Ok(records.clone()));
    let cbor = owned::to_cbor(&records).unwrap();
    assert_eq!(owned::from_cbor(&cbor), Ok(records.clone()));
    for record in &records {
        assert_eq!(&OwnedRecord::from(&record.as_record()), record);
    }
}

#[test]
fn json_reads_like_the_record() {
    let records = records();
    let json = |index: usize| owned::to_json(&records[index..=index]).unwrap();
    assert_eq!(json(0), r#"[{"path":"/3/0/0"}]"#);
    assert_eq!(
        json(1),
        r#"[{"path":"/3/0/1","time":2.5,"value":{"string":"a\"é"}}]"#
    );
    assert_eq!(json(6), r#"[{"path":"/3/0/6","value":{"opaque":"00ff"}}]"#);
    assert_eq!(
        json(8),
        r#"[{"path":"/3/0/8","value":{"object-link":"3:0"}}]"#
    );
    assert_eq!(json(10), r#"[{"path":"/3/0/10","value":"null"}]"#);
}

#[test]
fn what_is_no_list_of_records_is_refused_at_its_place() {
    for (text, column) in [
        ("[", 1),
        (r#"[{"path":"/3/0/x"}]"#, 18),
        (r#"[{"path":"/3","value":{"opaque":"0"}}]"#, 35),
        (r#"[{"path":"/3","value":{"opaque":"0g"}}]"#, 36),
        (r#"[{"path":"/3","other":1}]"#, 21),
    ] {
        let error = OwnedError::Json { line: 1, column };
        assert_eq!(owned::from_json(text), Err(error), "{text}");
    }
    let mut cbor = owned::to_cbor(&records()).unwrap();
    cbor.push(0);
    let offset = Some(cbor.len() - 1);
    assert_eq!(owned::from_cbor(&cbor), Err(OwnedError::Cbor { offset }));
    assert!(owned::from_cbor(b"\xff").is_err());
    assert!(owned::from_cbor(b"").is_err());
}

//! Values that a device collected and reports with their times.

use lwm2m_codec::Path;
use lwm2m_net::server::Record;
use serde_json::{Value, json};

use super::{Definitions, nodes, time::to_iso_precise};

/// Below it, a time is relative to now (RFC 8428 §4.5.3).
const RELATIVE: f64 = 268_435_456.0;

/// Orders records by time, those without one last, so that the newest value counts; `now` is in
/// seconds since 1970.
pub(crate) fn in_order(records: &[Record], now: f64) -> Vec<Record> {
    let mut records = records.to_vec();
    for record in &mut records {
        if let Some(time) = record.time.as_mut().filter(|time| **time < RELATIVE) {
            *time += now;
        }
    }
    let time = |record: &Record| record.time.unwrap_or(f64::INFINITY);
    records.sort_by(|a, b| time(a).total_cmp(&time(b)));
    records
}

/// Adds `times`, and `history` with the nodes at each of them, if ordered records state times.
pub(crate) fn history(
    json: &mut Value,
    paths: &[Path],
    records: &[Record],
    definitions: Definitions<'_>,
) {
    let groups = records.chunk_by(|a, b| a.time == b.time);
    let timed: Vec<(String, Value)> = groups
        .filter_map(|group| {
            let time = to_iso_precise(group.first()?.time?);
            let known = |path: &&Path| group.iter().any(|record| path.contains(&record.path));
            let paths: Vec<Path> = paths.iter().filter(known).copied().collect();
            Some((time, nodes(&paths, group, definitions)))
        })
        .collect();
    if timed.is_empty() {
        return;
    }
    let entry = |(time, nodes): &(String, Value)| json!({"time": time, "val": nodes});
    json["times"] = timed.iter().map(|(time, _)| json!(time)).collect();
    json["history"] = timed.iter().map(entry).collect();
}

//! The values of the test object that the cases read and write.

use serde_json::{Value, json};

/// A value of object 3442 in the three ways of writing it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: u16,
    /// As our device's `set` takes it: text/plain (TS-Core §7.5.1); of a multiple resource the
    /// values of its instances 0 and 1.
    ours: &'static [&'static str],
    /// As the `set` of Leshan's device takes it.
    pub(super) leshan: &'static str,
    /// As JSON of both servers; of a multiple resource as JSON of an object.
    json: &'static str,
    pub(super) kind: &'static str,
}

const fn known(
    id: u16,
    kind: &'static str,
    ours: &'static [&'static str],
    leshan: &'static str,
    json: &'static str,
) -> Known {
    Known {
        id,
        ours,
        leshan,
        json,
        kind,
    }
}

/// One of each type, single and multiple.
#[rustfmt::skip]
pub(super) const ALL: &[Known] = &[
    known(110, "string", &["Grüße, \"x\" \\ 1"], "Grüße, \"x\" \\ 1", r#""Grüße, \"x\" \\ 1""#),
    known(120, "integer", &["-4711"], "-4711", r#""-4711""#),
    known(125, "unsigned_integer", &["9223372036854775809"], "9223372036854775809", r#""9223372036854775809""#),
    known(130, "float", &["-2.5"], "-2.5", r#""-2.5""#),
    known(140, "boolean", &["1"], "true", "true"),
    known(150, "opaque", &["AP+AfwE="], "00ff807f01", r#""00ff807f01""#),
    known(160, "time", &["1709210096"], "2024-02-29T12:34:56Z", r#""2024-02-29T12:34:56Z""#),
    known(170, "objlnk", &["3303:0"], "3303:0", r#"{"objectId":3303,"objectInstanceId":0}"#),
    known(180, "corelnk", &["</3442>"], "</3442>", r#""</3442>""#),
    known(1110, "string", &["one", "two"], "0=one,1=two", r#"{"0":"one","1":"two"}"#),
    known(1120, "integer", &["1", "-70000"], "0=1,1=-70000", r#"{"0":"1","1":"-70000"}"#),
    known(1125, "unsigned_integer", &["7", "4294967296"], "0=7,1=4294967296", r#"{"0":"7","1":"4294967296"}"#),
    known(1130, "float", &["0.5", "1e-3"], "0=0.5,1=1e-3", r#"{"0":"0.5","1":"0.001"}"#),
    known(1140, "boolean", &["0", "1"], "0=false,1=true", r#"{"0":false,"1":true}"#),
    known(1150, "opaque", &["AQI=", "/w=="], "0=0102,1=ff", r#"{"0":"0102","1":"ff"}"#),
    known(1160, "time", &["1000000000", "1709210096"], "0=2001-09-09T01:46:40Z,1=2024-02-29T12:34:56Z", r#"{"0":"2001-09-09T01:46:40Z","1":"2024-02-29T12:34:56Z"}"#),
    known(1170, "objlnk", &["3:0", "3442:0"], "0=3:0,1=3442:0", r#"{"0":{"objectId":3,"objectInstanceId":0},"1":{"objectId":3442,"objectInstanceId":0}}"#),
    known(1180, "corelnk", &["</3>", "</3442/0>"], "0=</3>,1=</3442/0>", r#"{"0":"</3>","1":"</3442/0>"}"#),
];

impl Known {
    pub(super) fn path(&self) -> String {
        format!("/3442/0/{}", self.id)
    }

    pub(super) const fn multiple(&self) -> bool {
        self.id >= 1000
    }

    /// Paths and texts for our device.
    pub(super) fn ours(&self) -> Vec<(String, &'static str)> {
        if !self.multiple() {
            return self.ours.iter().map(|text| (self.path(), *text)).collect();
        }
        let instances = self.ours.iter().enumerate();
        instances
            .map(|(index, text)| (format!("{}/{index}", self.path()), *text))
            .collect()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(self.json).unwrap_or_default()
    }

    /// The resource as a node.
    pub(super) fn node(&self) -> Value {
        match self.multiple() {
            true => json!({"id": self.id, "kind": "multiResource", "type": self.kind,
                "values": self.json()}),
            false => json!({"id": self.id, "kind": "singleResource", "type": self.kind,
                "value": self.json()}),
        }
    }

    /// Says what is wrong with a node of this resource.
    pub(super) fn check(&self, node: &Value) -> Result<(), String> {
        let expected = self.node();
        let (key, fits) = match self.multiple() {
            false => ("value", same(self.kind, &expected["value"], &node["value"])),
            true => ("values", self.same_values(&node["values"])),
        };
        let right = fits && node["id"] == expected["id"] && node["kind"] == expected["kind"];
        match right {
            true => Ok(()),
            false => Err(format!(
                "{}: expected the {key} of {expected}, got {node}",
                self.path()
            )),
        }
    }

    fn same_values(&self, got: &Value) -> bool {
        let expected = self.json();
        let (Some(expected), Some(got)) = (expected.as_object(), got.as_object()) else {
            return false;
        };
        expected.len() == got.len()
            && expected
                .iter()
                .all(|(id, value)| got.get(id).is_some_and(|got| same(self.kind, value, got)))
    }
}

/// The value with an id.
pub(super) fn of(id: u16) -> Option<&'static Known> {
    ALL.iter().find(|known| known.id == id)
}

/// True if two values of a type are the same, however they are written.
pub(super) fn same(kind: &str, expected: &Value, got: &Value) -> bool {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match kind {
        "float" => {
            let number = |value| text(value).and_then(|text| text.parse::<f64>().ok());
            // Both sides hold the number exactly.
            number(expected).is_some() && number(expected) == number(got)
        }
        "time" => {
            let plain = |value| text(value).map(|text| text.replace(".000Z", "Z"));
            plain(expected).is_some() && plain(expected) == plain(got)
        }
        _ => expected == got,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_fits_its_own_node() {
        for known in ALL {
            assert!(!known.json().is_null(), "{known:?}");
            known.check(&known.node()).unwrap();
            assert_eq!(known.ours().len(), known.ours.len());
        }
    }

    #[test]
    fn another_value_does_not_fit() {
        let mut node = ALL[1].node();
        node["value"] = json!("4711");
        assert!(ALL[1].check(&node).is_err());
        assert!(same("float", &json!("1.0"), &json!("1")));
        assert!(!same("float", &json!("x"), &json!("x")));
    }
}

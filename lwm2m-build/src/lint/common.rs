//! Reusable resources, and how objects use them.

use std::collections::BTreeMap;

use super::{
    Finding, Rule, Scope,
    raw::Raw,
    versions::{Source, Versions},
};

/// The first id of reusable resources.
const FIRST: u16 = 2048;

/// What the registry of reusable resources fixes: everything but the descriptions.
const FIXED: [&str; 2] = ["Type", "Operations"];

/// The registry of reusable resources, `Common.xml`.
#[derive(Debug)]
pub(super) struct Common {
    resources: BTreeMap<u16, Raw>,
}

impl Common {
    pub(super) fn new(raw: &Raw) -> Self {
        let resources = raw
            .items
            .iter()
            .filter_map(|item| Some((item.id()?, item.clone())));
        Self {
            resources: resources.collect(),
        }
    }

    /// Compares all resources of all objects with the registry.
    pub(super) fn compare(&self, versions: &Versions, findings: &mut Vec<Finding>) {
        for source in versions.sources() {
            for item in source.items() {
                if let Some(id) = item.id().filter(|id| *id >= FIRST) {
                    self.compare_one(source, item, id, findings);
                }
            }
        }
    }

    fn compare_one(&self, source: &Source, item: &Raw, id: u16, findings: &mut Vec<Finding>) {
        let mut scope = Scope::new(source.file(), findings);
        scope.object = Some(source.definition().id);
        scope.resource = Some(id);
        let Some(common) = self.resources.get(&id) else {
            let message = format!(
                "resource {id} is not registered as reusable; ids below {FIRST} are the object's own"
            );
            scope.add(Rule::ReusableUnknown, item.position, message);
            return;
        };
        for tag in FIXED {
            let (here, there) = (item.text(tag), common.text(tag));
            if here == there {
                continue;
            }
            let message = format!(
                "reusable resource {id}, {}, has {tag} `{there}`, here `{here}`",
                common.text("Name")
            );
            scope.add(Rule::ReusableDiffers, item.place(tag), message);
        }
    }
}

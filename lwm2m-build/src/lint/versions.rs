//! Rules over several versions of an object, and over several objects.

use std::collections::BTreeMap;

use lwm2m_model::{
    Constraint, ObjectDefinition, ResourceDefinition, codegen::Version, xml::Position,
};

use super::{Finding, Rule, Scope, raw::Raw};

/// A definition and the file it stands in.
#[derive(Debug)]
pub(super) struct Source {
    file: String,
    raw: Raw,
    definition: ObjectDefinition,
}

impl Source {
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn items(&self) -> &[Raw] {
        &self.raw.items
    }

    pub(super) fn definition(&self) -> &ObjectDefinition {
        &self.definition
    }

    /// Where an element of a resource stands, or else the resource.
    fn place(&self, resource: u16, tag: &str) -> Position {
        let item = self
            .raw
            .items
            .iter()
            .find(|item| item.id() == Some(resource));
        item.map_or(self.raw.position, |item| item.place(tag))
    }
}

/// All definitions, by object and version; several files may define the same.
#[derive(Debug, Default)]
pub(super) struct Versions {
    objects: BTreeMap<u16, BTreeMap<Version, Vec<Source>>>,
}

impl Versions {
    pub(super) fn add(&mut self, file: &str, raw: &Raw, definition: ObjectDefinition) {
        let versions = self.objects.entry(definition.id).or_default();
        let sources = versions.entry(definition.version).or_default();
        sources.push(Source {
            file: file.to_owned(),
            raw: raw.clone(),
            definition,
        });
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.objects.values().flat_map(BTreeMap::values).flatten()
    }

    /// Compares what should be the same or similar.
    pub(super) fn compare(&self, findings: &mut Vec<Finding>) {
        for versions in self.objects.values() {
            for sources in versions.values() {
                same(sources, findings);
            }
            let firsts: Vec<&Source> = versions.values().filter_map(|all| all.first()).collect();
            for pair in firsts.windows(2) {
                if let [old, new] = pair {
                    steps(old, new, findings);
                }
            }
        }
        self.object_names(findings);
    }

    /// Finds objects whose latest versions have the same name.
    fn object_names(&self, findings: &mut Vec<Finding>) {
        let mut names: BTreeMap<String, u16> = BTreeMap::new();
        for (id, versions) in &self.objects {
            let Some(source) = versions.values().next_back().and_then(|all| all.first()) else {
                continue;
            };
            let name = source.definition.name.to_ascii_lowercase();
            if name.is_empty() {
                continue;
            }
            if let Some(other) = names.get(&name) {
                let mut scope = scope(source, findings);
                let message = format!(
                    "object {other} has the name `{}` too",
                    source.raw.text("Name")
                );
                scope.add(Rule::ObjectNameTwice, source.raw.place("Name"), message);
            } else {
                names.insert(name, *id);
            }
        }
    }
}

fn scope<'a>(source: &'a Source, findings: &'a mut Vec<Finding>) -> Scope<'a> {
    let mut scope = Scope::new(&source.file, findings);
    scope.object = Some(source.definition.id);
    scope
}

/// Files of the same version must say the same; their descriptions are free.
fn same(sources: &[Source], findings: &mut Vec<Finding>) {
    let Some((first, others)) = sources.split_first() else {
        return;
    };
    for other in others {
        if silent(&first.definition) == silent(&other.definition) {
            continue;
        }
        let ObjectDefinition { id, version, .. } = &other.definition;
        let message = format!(
            "{} defines version {version} of object {id} too, and differently",
            first.file
        );
        scope(other, findings).add(Rule::VersionTwice, other.raw.position, message);
    }
}

/// A definition without its descriptions.
fn silent(definition: &ObjectDefinition) -> ObjectDefinition {
    let mut definition = definition.clone();
    definition.description = "".into();
    for resource in definition.resources.to_mut() {
        resource.description = "".into();
    }
    definition
}

/// Checks the step from one version of an object to the next one (TS-Core §7.2.1).
fn steps(old: &Source, new: &Source, findings: &mut Vec<Finding>) {
    let scope = &mut scope(new, findings);
    let (before, after) = (&old.definition, &new.definition);
    for resource in after.resources.iter() {
        if let Some(other) = before.resource(resource.id)
            && !other.name.eq_ignore_ascii_case(&resource.name)
        {
            scope.resource = Some(resource.id);
            let message = format!(
                "resource {} was called `{}` in version {}; names don't change",
                resource.id, other.name, before.version
            );
            let place = new.place(resource.id, "Name");
            scope.add(Rule::NameChanged, place, message);
        }
    }
    scope.resource = None;
    if before.version.major != after.version.major {
        return;
    }
    let step = format!("version {} follows {}", after.version, before.version);
    if before.multiple != after.multiple {
        let message = format!("MultipleInstances of the object changed, so no minor {step}");
        scope.add(
            Rule::BreakingChange,
            new.raw.place("MultipleInstances"),
            message,
        );
    }
    for resource in before.resources.iter() {
        if after.resource(resource.id).is_none() && resource.mandatory {
            scope.resource = Some(resource.id);
            let message = format!(
                "mandatory resource {} is gone, so no minor {step}",
                resource.id
            );
            scope.add(Rule::BreakingChange, new.raw.position, message);
        }
    }
    for resource in after.resources.iter() {
        scope.resource = Some(resource.id);
        let (tag, what) = match before.resource(resource.id) {
            None if resource.mandatory => ("Mandatory", "a mandatory resource is new".to_owned()),
            None => continue,
            Some(other) => match difference(other, resource) {
                None => continue,
                Some(tag) => (tag, changed(old, new, resource.id, tag)),
            },
        };
        let message = format!("{what}, so no minor {step}: the next major version is due");
        let place = new.place(resource.id, tag);
        scope.add(Rule::BreakingChange, place, message);
    }
}

/// Says how an element of a resource changed.
fn changed(old: &Source, new: &Source, resource: u16, tag: &str) -> String {
    let text = |source: &Source| {
        let item = source
            .items()
            .iter()
            .find(|item| item.id() == Some(resource));
        let words = item.map_or("", |item| item.text(tag)).split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    format!("{tag} changed from `{}` to `{}`", text(old), text(new))
}

/// The first element of a resource whose change breaks users.
fn difference(old: &ResourceDefinition, new: &ResourceDefinition) -> Option<&'static str> {
    let changes = [
        ("Operations", old.operations != new.operations),
        ("MultipleInstances", old.multiple != new.multiple),
        ("Mandatory", old.mandatory != new.mandatory),
        ("Type", old.data_type != new.data_type),
        (
            "RangeEnumeration",
            !widens(&old.constraint, &new.constraint),
        ),
        ("Units", old.units != new.units),
    ];
    let change = changes.iter().find(|(_, changed)| *changed)?;
    Some(change.0)
}

/// True if nothing changed, or values were added to an enumeration.
fn widens(old: &Constraint, new: &Constraint) -> bool {
    match (old, new) {
        (Constraint::OneOf(old), Constraint::OneOf(new)) => {
            old.iter().all(|value| new.contains(value))
        }
        (old, new) => old == new,
    }
}

//! Reads object definitions from OMA's XML (DDF, schemas `LWM2M.xsd` and `LWM2M-v1_1.xsd`).
//!
//! The files in the public registry stray from the schema in many ways. What can be understood is
//! read, and what is odd about it is told as a [`Warning`]; an [`XmlError`] remains for files that
//! would have to be guessed.
//!
//! ```
//! let parsed = lwm2m_model::xml::parse(r#"
//!     <LWM2M><Object ObjectType="MODefinition">
//!       <Name>Lamp</Name>
//!       <ObjectID>42769</ObjectID>
//!       <ObjectURN>urn:oma:lwm2m:x:42769</ObjectURN>
//!       <MultipleInstances>Multiple</MultipleInstances>
//!       <Mandatory>Optional</Mandatory>
//!       <Resources>
//!         <Item ID="5851">
//!           <Name>Dimmer</Name>
//!           <Operations>RW</Operations>
//!           <MultipleInstances>Single</MultipleInstances>
//!           <Mandatory>Mandatory</Mandatory>
//!           <Type>Integer</Type>
//!           <RangeEnumeration>0..100</RangeEnumeration>
//!         </Item>
//!       </Resources>
//!     </Object></LWM2M>"#)?;
//! let lamp = &parsed.definitions[0];
//! assert_eq!(lamp.resource(5851).unwrap().constraint.to_string(), "0..100");
//! assert!(parsed.warnings.is_empty());
//! # Ok::<(), lwm2m_model::xml::XmlError>(())
//! ```

mod error;
mod range;
#[cfg(test)]
mod tests;

use alloc::{borrow::Cow, format, string::String, vec::Vec};

use lwm2m_codec::{Type, Version};
use roxmltree::{Document, Node, ParsingOptions};

pub use error::{Position, Warning, WarningKind, XmlError, XmlErrorKind};
pub use range::{parse_names, parse_range};

use crate::{Constraint, ObjectDefinition, Operations, ResourceDefinition};

/// Most XML nodes of a file; the largest one of the registry has about 3,000.
pub const MAX_NODES: u32 = 100_000;

/// What a file defines.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The definitions; the schema allows several in a file, the registry has one.
    pub definitions: Vec<ObjectDefinition>,
    /// What is odd about the file.
    pub warnings: Vec<Warning>,
}

/// Reads a file.
///
/// # Errors
/// The place and the first thing that can't be understood.
pub fn parse(text: &str) -> Result<Parsed, XmlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = ParsingOptions {
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let position = error.pos();
        XmlError {
            position: Position {
                line: position.row,
                column: position.col,
            },
            kind: XmlErrorKind::NotWellFormed,
        }
    })?;
    let mut reader = Reader {
        document: &document,
        warnings: Vec::new(),
    };
    let root = document.root_element();
    if root.tag_name().name() != "LWM2M" {
        return Err(reader.error(root, XmlErrorKind::NotLwm2m));
    }
    let mut definitions = Vec::new();
    for object in root.children().filter(|node| node.has_tag_name("Object")) {
        definitions.push(reader.object(object)?);
    }
    if definitions.is_empty() {
        return Err(reader.error(root, XmlErrorKind::Missing("Object")));
    }
    Ok(Parsed {
        definitions,
        warnings: reader.warnings,
    })
}

struct Reader<'d, 't> {
    document: &'d Document<'t>,
    warnings: Vec<Warning>,
}

impl<'d, 't> Reader<'d, 't> {
    fn object(&mut self, object: Node<'d, 't>) -> Result<ObjectDefinition, XmlError> {
        let (id_node, id) = self.required(object, "ObjectID")?;
        let id = self.id(id_node, &id)?;
        let version = self.version(object, "ObjectVersion")?;
        let name = self.name(object);
        let multiple = self.flag(object, "MultipleInstances", ["Single", "Multiple"])?;
        let mandatory = self.flag(object, "Mandatory", ["Optional", "Mandatory"])?;
        let urn = self.urn(object, id, version);
        Ok(ObjectDefinition {
            id,
            name: name.into(),
            description: text_of(child(object, "Description1")).into(),
            urn: urn.into(),
            version,
            lwm2m_version: self.version(object, "LWM2MVersion")?,
            multiple,
            mandatory,
            resources: self.resources(object)?.into(),
        })
    }

    fn resources(&mut self, object: Node<'d, 't>) -> Result<Vec<ResourceDefinition>, XmlError> {
        let list = child(object, "Resources")
            .ok_or_else(|| self.error(object, XmlErrorKind::Missing("Resources")))?;
        let mut resources: Vec<ResourceDefinition> = Vec::new();
        for item in list.children().filter(|node| node.has_tag_name("Item")) {
            let resource = self.resource(item)?;
            match resources.binary_search_by_key(&resource.id, |other| other.id) {
                Ok(_) => return Err(self.error(item, XmlErrorKind::DuplicateId(resource.id))),
                Err(place) => resources.insert(place, resource),
            }
        }
        Ok(resources)
    }

    fn resource(&mut self, item: Node<'d, 't>) -> Result<ResourceDefinition, XmlError> {
        let id = item
            .attribute("ID")
            .ok_or_else(|| self.error(item, XmlErrorKind::Missing("ID")))?;
        let id = self.id(item, id.trim())?;
        let operations = self.operations(item)?;
        let mut multiple = self.flag(item, "MultipleInstances", ["Single", "Multiple"])?;
        if operations.execute && multiple {
            self.warn(item, WarningKind::MultipleExecutable(id));
            multiple = false;
        }
        let data_type = self.data_type(item, id, operations)?;
        let range = text_of(child(item, "RangeEnumeration"));
        let constraint = match data_type {
            Some(data_type) if !range.is_empty() => {
                parse_range(&range, data_type).unwrap_or_else(|| {
                    self.warn(item, WarningKind::RangeNotUnderstood(id));
                    Constraint::None
                })
            }
            _ => Constraint::None,
        };
        Ok(ResourceDefinition {
            id,
            name: self.name(item).into(),
            description: text_of(child(item, "Description")).into(),
            operations,
            multiple,
            mandatory: self.flag(item, "Mandatory", ["Optional", "Mandatory"])?,
            data_type,
            constraint,
            range: range.into(),
            units: text_of(child(item, "Units")).into(),
        })
    }

    fn operations(&self, item: Node<'d, 't>) -> Result<Operations, XmlError> {
        let Some(node) = child(item, "Operations") else {
            return Ok(Operations::NONE);
        };
        let mut operations = Operations::NONE;
        for letter in text_of(Some(node)).chars().filter(|c| !c.is_whitespace()) {
            match letter {
                'R' => operations.read = true,
                'W' => operations.write = true,
                'E' => operations.execute = true,
                _ => return Err(self.error(node, XmlErrorKind::Invalid("Operations"))),
            }
        }
        let mixed = operations.execute && (operations.read || operations.write);
        match mixed {
            true => Err(self.error(node, XmlErrorKind::Invalid("Operations"))),
            false => Ok(operations),
        }
    }

    fn data_type(
        &mut self,
        item: Node<'d, 't>,
        id: u16,
        operations: Operations,
    ) -> Result<Option<Type>, XmlError> {
        let node = child(item, "Type");
        let data_type = match text_of(node).as_str() {
            "" => None,
            "String" => Some(Type::String),
            "Integer" => Some(Type::Integer),
            "Unsigned Integer" | "Unsigned" => Some(Type::Unsigned),
            "Float" => Some(Type::Float),
            "Boolean" => Some(Type::Boolean),
            "Opaque" => Some(Type::Opaque),
            "Time" => Some(Type::Time),
            "Objlnk" => Some(Type::ObjectLink),
            "Corelnk" => Some(Type::CoreLink),
            _ => return Err(self.error(node.unwrap_or(item), XmlErrorKind::Invalid("Type"))),
        };
        match (operations.execute, data_type) {
            (true, Some(_)) => {
                self.warn(item, WarningKind::TypedExecutable(id));
                Ok(None)
            }
            (false, None) => {
                self.warn(item, WarningKind::TypeMissing(id));
                Ok(None)
            }
            (_, data_type) => Ok(data_type),
        }
    }

    fn name(&mut self, node: Node<'d, 't>) -> String {
        let name = text_of(child(node, "Name"));
        if name.is_empty() {
            self.warn(node, WarningKind::NameMissing);
        }
        name.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn urn(&mut self, object: Node<'d, 't>, id: u16, version: Version) -> String {
        let urn = text_of(child(object, "ObjectURN"));
        let parts: Vec<&str> = urn.split(':').collect();
        let stated = match *parts.as_slice() {
            ["urn", "oma", "lwm2m", "oma" | "ext" | "x", id] => {
                id.parse().ok().map(|id: u16| (id, Version::V1_0))
            }
            ["urn", "oma", "lwm2m", "oma" | "ext" | "x", id, version] => {
                id.parse().ok().zip(version.parse().ok())
            }
            _ => None,
        };
        if stated != Some((id, version)) {
            self.warn(object, WarningKind::UrnMismatch);
        }
        urn
    }

    fn version(&self, object: Node<'d, 't>, tag: &'static str) -> Result<Version, XmlError> {
        let node = child(object, tag);
        match text_of(node).as_str() {
            // Files for LwM2M 1.0 state none.
            "" => Ok(Version::V1_0),
            text => text
                .parse()
                .map_err(|_| self.error(node.unwrap_or(object), XmlErrorKind::Invalid(tag))),
        }
    }

    /// Reads an element that has one of two values; true for the second.
    fn flag(
        &self,
        parent: Node<'d, 't>,
        tag: &'static str,
        values: [&str; 2],
    ) -> Result<bool, XmlError> {
        let (node, text) = self.required(parent, tag)?;
        match values
            .iter()
            .position(|value| text.eq_ignore_ascii_case(value))
        {
            Some(index) => Ok(index == 1),
            None => Err(self.error(node, XmlErrorKind::Invalid(tag))),
        }
    }

    fn id(&self, node: Node<'d, 't>, text: &str) -> Result<u16, XmlError> {
        match text.parse() {
            Ok(id) if id != lwm2m_codec::MAX_ID => Ok(id),
            _ => Err(self.error(node, XmlErrorKind::Invalid("id"))),
        }
    }

    fn required(
        &self,
        parent: Node<'d, 't>,
        tag: &'static str,
    ) -> Result<(Node<'d, 't>, String), XmlError> {
        let node =
            child(parent, tag).ok_or_else(|| self.error(parent, XmlErrorKind::Missing(tag)))?;
        Ok((node, text_of(Some(node))))
    }

    fn position(&self, node: Node<'d, 't>) -> Position {
        let position = self.document.text_pos_at(node.range().start);
        Position {
            line: position.row,
            column: position.col,
        }
    }

    fn error(&self, node: Node<'d, 't>, kind: XmlErrorKind) -> XmlError {
        XmlError {
            position: self.position(node),
            kind,
        }
    }

    fn warn(&mut self, node: Node<'d, 't>, kind: WarningKind) {
        let position = self.position(node);
        self.warnings.push(Warning { position, kind });
    }
}

fn child<'d, 't>(parent: Node<'d, 't>, tag: &str) -> Option<Node<'d, 't>> {
    parent.children().find(|node| node.has_tag_name(tag))
}

/// All text inside an element, CDATA included, without the blanks around it.
fn text_of(node: Option<Node<'_, '_>>) -> String {
    let Some(node) = node else {
        return String::new();
    };
    let mut texts = node
        .descendants()
        .filter(Node::is_text)
        .filter_map(|n| n.text());
    let first = texts.next().unwrap_or_default();
    let whole = texts.fold(Cow::Borrowed(first), |whole, text| {
        format!("{whole}{text}").into()
    });
    whole.trim().into()
}

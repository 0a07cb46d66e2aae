//! A definition as it stands in the file, right or wrong, with the place of each part.

use lwm2m_model::xml::Position;
use roxmltree::{Document, Node};

/// Elements of an object, in the order of the schema, and whether they must be there.
pub(super) const OBJECT: [(&str, bool); 10] = [
    ("Name", true),
    ("Description1", true),
    ("ObjectID", true),
    ("ObjectURN", true),
    ("LWM2MVersion", false),
    ("ObjectVersion", false),
    ("MultipleInstances", true),
    ("Mandatory", true),
    ("Resources", true),
    ("Description2", false),
];

/// Elements of a resource, in the order of the schema, and whether one can do without them.
pub(super) const ITEM: [(&str, bool); 8] = [
    ("Name", true),
    ("Operations", true),
    ("MultipleInstances", true),
    ("Mandatory", true),
    ("Type", true),
    ("RangeEnumeration", false),
    ("Units", false),
    ("Description", false),
];

/// The text of an element, or of an attribute, and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    /// As it stands there, all blanks included.
    pub(super) whole: String,
    pub(super) position: Position,
}

impl Text {
    /// The text without the blanks around it.
    pub(super) fn trimmed(&self) -> &str {
        self.whole.trim()
    }
}

/// An object or a resource.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) position: Position,
    /// Names and places of the child elements, in the order of the file.
    pub(super) elements: Vec<(String, Text)>,
    /// `ID` of a resource, `ObjectType` of an object.
    pub(super) attribute: Option<Text>,
    /// Resources of an object.
    pub(super) items: Vec<Raw>,
}

impl Raw {
    /// Reads an object.
    pub(super) fn object(document: &Document<'_>, node: Node<'_, '_>) -> Self {
        let mut raw = Self::read(document, node, "ObjectType");
        let items = node
            .children()
            .filter(|child| child.has_tag_name("Resources"))
            .flat_map(|resources| resources.children())
            .filter(|child| child.has_tag_name("Item"));
        raw.items = items.map(|item| Self::read(document, item, "ID")).collect();
        raw
    }

    fn read(document: &Document<'_>, node: Node<'_, '_>, attribute: &str) -> Self {
        let elements = node.children().filter(Node::is_element).map(|child| {
            let text = match child.has_tag_name("Resources") {
                true => String::new(),
                false => text_of(child),
            };
            let position = position(document, child.range().start);
            let name = child.tag_name().name().to_owned();
            (
                name,
                Text {
                    whole: text,
                    position,
                },
            )
        });
        let attribute = node.attribute_node(attribute).map(|attribute| Text {
            whole: attribute.value().to_owned(),
            position: position(document, attribute.range().start),
        });
        Self {
            position: position(document, node.range().start),
            elements: elements.collect(),
            attribute,
            items: Vec::new(),
        }
    }

    /// An element by its name.
    pub(super) fn get(&self, name: &str) -> Option<&Text> {
        self.elements
            .iter()
            .find(|(tag, _)| tag == name)
            .map(|(_, text)| text)
    }

    /// The text of an element without the blanks around it; empty if there is no such element.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).map_or("", Text::trimmed)
    }

    /// The place of an element, or else of the whole.
    pub(super) fn place(&self, name: &str) -> Position {
        self.get(name).map_or(self.position, |text| text.position)
    }

    /// The id of a resource.
    pub(super) fn id(&self) -> Option<u16> {
        self.attribute.as_ref()?.trimmed().parse().ok()
    }
}

pub(super) fn position(document: &Document<'_>, offset: usize) -> Position {
    let position = document.text_pos_at(offset);
    Position {
        line: position.row,
        column: position.col,
    }
}

/// All text inside an element, CDATA included.
fn text_of(node: Node<'_, '_>) -> String {
    node.descendants()
        .filter(Node::is_text)
        .filter_map(|node| node.text())
        .collect()
}

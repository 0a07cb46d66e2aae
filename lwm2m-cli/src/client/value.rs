//! Values that people write and read: text by the type of the resource.

use lwm2m_codec::{ContentFormat, Decoder, ParsePathError, Path, Type, Value};
use lwm2m_model::{Failure, OwnedValue, Tree, is_secret};

use crate::hex;

/// What stands for key material.
const SECRET: &str = "(secret)";

/// Says why a text is not a value for a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("{text}: {error}")]
    Path { text: String, error: ParsePathError },
    #[error("{0}: not the path of a resource")]
    NotResource(Path),
    #[error("{0}: the device has no such object")]
    UnknownObject(Path),
    #[error("{0}: the object has no such resource")]
    UnknownResource(Path),
    #[error("{0}: the resource is executable and has no value")]
    Executable(Path),
    #[error("{path}: {text:?} is not a valid {data_type}")]
    Type {
        path: Path,
        text: String,
        data_type: Type,
    },
    #[error("{}: {}", .0.path, .0.reason)]
    Refused(#[from] Failure),
}

/// Reads a path.
pub(crate) fn path(text: &str) -> Result<Path, ValueError> {
    text.parse().map_err(|error| ValueError::Path {
        text: text.to_owned(),
        error,
    })
}

/// Reads a value as text/plain by the type of its resource (TS-Core App. C) and writes it.
pub(crate) fn write(tree: &mut Tree, path: Path, text: &str) -> Result<(), ValueError> {
    let value = parse(tree, path, text)?;
    Ok(tree.write(path, value.as_value())?)
}

/// Shows the value at the path of a resource or Resource Instance.
pub(crate) fn show(tree: &Tree, path: Path) -> Result<String, ValueError> {
    data_type(tree, path)?;
    let mut shown = String::new();
    let secret = path.object_id().zip(path.resource_id());
    let secret = secret.is_some_and(|(object, resource)| is_secret(object, resource));
    tree.read(path, &mut |value| {
        shown = match value {
            // That there is no key is no secret.
            Value::Opaque(bytes) if secret && bytes.is_empty() => String::new(),
            _ if secret => SECRET.to_owned(),
            value => OwnedValue::from_value(value).map_or_else(String::new, |value| text(&value)),
        };
    })?;
    Ok(shown)
}

fn parse(tree: &Tree, path: Path, text: &str) -> Result<OwnedValue, ValueError> {
    let data_type = data_type(tree, path)?;
    let wrong = || ValueError::Type {
        path,
        text: text.to_owned(),
        data_type,
    };
    let mut decoder =
        Decoder::new(ContentFormat::TEXT, path, text.as_bytes(), tree).map_err(|_| wrong())?;
    let record = decoder.next().and_then(Result::ok).ok_or_else(wrong)?;
    record
        .value
        .and_then(OwnedValue::from_value)
        .ok_or_else(wrong)
}

fn data_type(tree: &Tree, path: Path) -> Result<Type, ValueError> {
    let (Some(object), Some(resource)) = (path.object_id(), path.resource_id()) else {
        return Err(ValueError::NotResource(path));
    };
    let definition = tree
        .definition(object)
        .ok_or(ValueError::UnknownObject(path))?;
    let resource = definition
        .resource(resource)
        .ok_or(ValueError::UnknownResource(path))?;
    resource.data_type.ok_or(ValueError::Executable(path))
}

/// A value as people read it; bytes as hex, key material not at all.
pub(crate) fn text(value: &OwnedValue) -> String {
    match value {
        OwnedValue::String(text) | OwnedValue::CoreLink(text) => text.clone(),
        OwnedValue::Integer(number) | OwnedValue::Time(number) => number.to_string(),
        OwnedValue::Unsigned(number) => number.to_string(),
        OwnedValue::Float(number) => number.to_string(),
        OwnedValue::Boolean(flag) => u8::from(*flag).to_string(),
        OwnedValue::Opaque(bytes) => hex::encode(bytes),
        OwnedValue::ObjectLink(link) => link.to_string(),
        _ => SECRET.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lwm2m_model::{
        Typed,
        objects::{Temperature, TestObject},
    };

    fn tree() -> Tree {
        let mut tree = Tree::new();
        tree.insert(Typed::new().with(0, Temperature::default()));
        tree.insert(
            Typed::new()
                .with(0, TestObject::default())
                .with_executable(0),
        );
        tree
    }

    #[test]
    fn a_value_of_every_type_is_read_as_text_and_shown() {
        let mut tree = tree();
        tree.insert(Typed::new().with(0, lwm2m_model::objects::Device::default()));
        for (resource, text, shown) in [
            (110, "two words", "two words"),
            (120, "-7", "-7"),
            (125, "18446744073709551615", "18446744073709551615"),
            (130, "21.5", "21.5"),
            (140, "1", "1"),
            (150, "AQI=", "0102"),
            (160, "946684800", "946684800"),
            (170, "3:0", "3:0"),
            (180, "</3442>", "</3442>"),
        ] {
            let path = Path::resource(3442, 0, resource);
            write(&mut tree, path, text).unwrap();
            assert_eq!(show(&tree, path).unwrap(), shown);
        }
        let instance = path("/3442/0/1120/7").unwrap();
        write(&mut tree, instance, "5").unwrap();
        assert_eq!(show(&tree, instance).unwrap(), "5");
    }

    #[test]
    fn an_error_names_the_path_and_the_type() {
        let mut tree = tree();
        let mut error = |at: &str, text: &str| {
            let written = path(at).and_then(|path| write(&mut tree, path, text));
            written.unwrap_err().to_string()
        };
        assert_eq!(
            error("/3303/0/5700", "warm"),
            "/3303/0/5700: \"warm\" is not a valid float"
        );
        assert_eq!(
            error("/3442/0/140", "2"),
            "/3442/0/140: \"2\" is not a valid boolean"
        );
        assert_eq!(
            error("/9/0/1", "2"),
            "/9/0/1: the device has no such object"
        );
        assert_eq!(
            error("/3442/0/9", "2"),
            "/3442/0/9: the object has no such resource"
        );
        assert_eq!(error("/3442/0", "2"), "/3442/0: not the path of a resource");
        assert_eq!(
            error("/3442/0/0", "2"),
            "/3442/0/0: the resource is executable and has no value"
        );
        assert_eq!(
            error("/3442/5/110", "2"),
            "/3442/5/110: there is nothing at this path"
        );
        assert_eq!(
            error("/3442/0/1110", "2"),
            "/3442/0/1110: the resource has resource instances"
        );
        assert_eq!(error("/a", "2"), "/a: segment 0 is not an id");
    }
}

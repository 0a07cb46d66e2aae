//! The objects of the device and their values.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path as FilePath, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use lwm2m_model::{
    Dynamic, Registry, Time, Tree, Typed,
    objects::{
        AccessControl, ConnectivityMonitoring, ConnectivityStatistics, Device, Location, Security,
        Server, Temperature, TestObject, connectivity_statistics, device, temperature,
    },
    xml::{self, XmlError},
};

use super::{
    executions::{Executions, forward},
    firmware, test_object,
};

/// Largest definition file in bytes; the largest of the registry has about 150 kB.
const MAX_FILE: u64 = 4 << 20;

/// Says why object definitions can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectsError {
    #[error("{}: {error}", .file.display())]
    Read { file: PathBuf, error: io::Error },
    #[error("{}: larger than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: {error}", .file.display())]
    Xml { file: PathBuf, error: XmlError },
}

/// What is odd about a definition file.
#[derive(Debug)]
pub(crate) struct FileWarning {
    file: PathBuf,
    warning: xml::Warning,
}

impl fmt::Display for FileWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.warning)
    }
}

/// The objects that every device of this command has; executions go to the session.
pub(crate) fn tree(endpoint: &str, executions: &Executions) -> Tree {
    let mut tree = Tree::new();
    tree.insert(Typed::<Security>::new());
    tree.insert(Typed::<Server>::new());
    tree.insert(Typed::<AccessControl>::new());
    tree.insert(
        Typed::new()
            .with(0, device(endpoint))
            .with_executable(device::ids::RESET_ERROR_CODE)
            .on_execute(forward(executions)),
    );
    tree.insert(Typed::new().with(0, connectivity()));
    tree.insert(
        Typed::new()
            .with(0, firmware::initial())
            .with_executable(lwm2m_model::objects::firmware_update::ids::CANCEL)
            .on_execute(forward(executions)),
    );
    tree.insert(Typed::new().with(0, location()));
    tree.insert(
        Typed::new()
            .with(0, statistics())
            .with_executable(connectivity_statistics::ids::START)
            .with_executable(connectivity_statistics::ids::STOP)
            .on_execute(forward(executions)),
    );
    tree.insert(
        Typed::new()
            .with(0, sensor())
            .with_executable(temperature::ids::RESET_MIN_AND_MAX_MEASURED_VALUES)
            .on_execute(forward(executions)),
    );
    tree.insert(test(executions));
    tree
}

/// Serves further objects by the definitions in a folder, each with an instance 0. Of several
/// versions the highest counts; objects that the tree has stay as they are.
pub(crate) fn load(tree: &mut Tree, folder: &FilePath) -> Result<Vec<FileWarning>, ObjectsError> {
    let mut registry = Registry::new();
    let mut warnings = Vec::new();
    for file in files(folder)? {
        let text = read(&file)?;
        let parsed = xml::parse(&text).map_err(|error| ObjectsError::Xml {
            file: file.clone(),
            error,
        })?;
        parsed.definitions.into_iter().for_each(|definition| {
            registry.insert(definition);
        });
        warnings.extend(parsed.warnings.into_iter().map(|warning| FileWarning {
            file: file.clone(),
            warning,
        }));
    }
    let ids: Vec<u16> = registry.iter().map(|definition| definition.id).collect();
    for definition in ids.iter().filter_map(|id| registry.latest(*id)) {
        if tree.get(definition.id).is_none() {
            let mut object = Dynamic::new(definition.clone());
            object.insert(0);
            tree.insert(object);
        }
    }
    Ok(warnings)
}

/// The XML files of a folder by name.
fn files(folder: &FilePath) -> Result<Vec<PathBuf>, ObjectsError> {
    let failed = |error| ObjectsError::Read {
        file: folder.to_owned(),
        error,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("xml"))
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &FilePath) -> Result<String, ObjectsError> {
    let failed = |error| ObjectsError::Read {
        file: file.to_owned(),
        error,
    };
    if std::fs::metadata(file).map_err(failed)?.len() > MAX_FILE {
        return Err(ObjectsError::TooLarge(file.to_owned()));
    }
    std::fs::read_to_string(file).map_err(failed)
}

fn device(endpoint: &str) -> Device {
    Device {
        manufacturer: Some("lwm2m".into()),
        model_number: Some("lwm2m client".into()),
        serial_number: Some(endpoint.into()),
        firmware_version: Some(env!("CARGO_PKG_VERSION").into()),
        // An internal battery and USB.
        available_power_sources: BTreeMap::from([(0, 1), (1, 5)]),
        power_source_voltage: BTreeMap::from([(0, 3800), (1, 5000)]),
        power_source_current: BTreeMap::from([(0, 125), (1, 900)]),
        battery_level: Some(95),
        memory_free: Some(15_872),
        error_code: BTreeMap::from([(0, 0)]),
        utc_offset: Some("+00:00".into()),
        timezone: Some("Etc/UTC".into()),
        supported_binding_and_modes: "U".into(),
        device_type: Some("demonstration".into()),
        hardware_version: Some("1".into()),
        software_version: Some(env!("CARGO_PKG_VERSION").into()),
        battery_status: Some(0),
        memory_total: Some(65_536),
        ..Device::default()
    }
}

fn connectivity() -> ConnectivityMonitoring {
    ConnectivityMonitoring {
        // 41 is Ethernet.
        network_bearer: 41,
        available_network_bearer: BTreeMap::from([(0, 41)]),
        radio_signal_strength: -40,
        link_quality: Some(100),
        ip_addresses: BTreeMap::from([(0, "127.0.0.1".into())]),
        link_utilization: Some(1),
        ..ConnectivityMonitoring::default()
    }
}

fn location() -> Location {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Location {
        latitude: 48.858_37,
        longitude: 2.294_481,
        altitude: Some(330.0),
        radius: Some(5.0),
        speed: Some(0.0),
        timestamp: Time(since.as_secs().cast_signed()),
        ..Location::default()
    }
}

fn statistics() -> ConnectivityStatistics {
    ConnectivityStatistics {
        tx_data: Some(0),
        rx_data: Some(0),
        max_message_size: Some(0),
        average_message_size: Some(0),
        collection_period: Some(0),
        ..ConnectivityStatistics::default()
    }
}

fn sensor() -> Temperature {
    Temperature {
        sensor_value: 21.5,
        min_measured_value: Some(21.5),
        max_measured_value: Some(21.5),
        min_range_value: Some(-40.0),
        max_range_value: Some(85.0),
        sensor_units: Some("Cel".into()),
        application_type: Some("room".into()),
        ..Temperature::default()
    }
}

fn test(executions: &Executions) -> Typed<TestObject> {
    use lwm2m_model::objects::test_object::ids;
    let object = Typed::new().with(0, test_object::initial());
    let executables = [
        ids::RESET_VALUES,
        ids::RANDOMIZE_VALUES,
        ids::CLEAR_VALUES,
        ids::EXEC_WITH_ARGUMENTS,
        ids::SEND_DATA,
    ];
    executables
        .into_iter()
        .fold(object, Typed::with_executable)
        .on_execute(forward(executions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_has_the_core_objects_and_two_others() {
        let tree = tree("device", &super::super::executions::channel().0);
        let ids: Vec<u16> = tree.objects().map(|(id, _)| id).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7, 3303, 3442]);
    }

    #[test]
    fn objects_of_a_folder_are_served_in_their_highest_version() {
        let folder = tempfile::tempdir().unwrap();
        let lamp = |version: &str| {
            format!(
                "<LWM2M><Object><Name>Lamp</Name><ObjectID>42769</ObjectID>\
                 <ObjectURN>urn:oma:lwm2m:x:42769:{version}</ObjectURN>\
                 <ObjectVersion>{version}</ObjectVersion>\
                 <MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>\
                 <Resources><Item ID=\"5851\"><Name>Dimmer</Name><Operations>RW</Operations>\
                 <MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory>\
                 <Type>Integer</Type></Item></Resources></Object></LWM2M>"
            )
        };
        std::fs::write(folder.path().join("a.xml"), lamp("1.1")).unwrap();
        std::fs::write(folder.path().join("b.XML"), lamp("1.0")).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no XML").unwrap();
        let mut tree = Tree::new();
        assert!(load(&mut tree, folder.path()).unwrap().is_empty());
        let definition = tree.definition(42769).unwrap();
        assert_eq!(definition.version.to_string(), "1.1");
        assert!(tree.contains(lwm2m_codec::Path::resource(42769, 0, 5851)));
    }

    #[test]
    fn a_broken_definition_is_named_by_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.xml");
        std::fs::write(&file, "<LWM2M>\n<Object/>\n</LWM2M>").unwrap();
        let error = load(&mut Tree::new(), folder.path())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("{}: line 2, column 1: ObjectID is missing", file.display())
        );
    }
}

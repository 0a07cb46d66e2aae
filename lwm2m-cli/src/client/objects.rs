//! The objects of the device and their values.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use lwm2m_model::{
    Dynamic, Registry, Time, Tree, Typed,
    objects::{
        AccessControl, ConnectivityMonitoring, ConnectivityStatistics, Device, Location, Security,
        Temperature, TestObject, connectivity_statistics, device, firmware_update, temperature,
        test_object as test_ids,
    },
};

use lwm2m_net::device::server_object;

use super::{
    executions::{Executions, forward},
    firmware, test_object,
};

/// The objects that every device of this command has; executions go to the session.
pub(crate) fn tree(endpoint: &str, executions: &Executions) -> Tree {
    let mut tree = Tree::new();
    tree.insert(Typed::<Security>::new());
    tree.insert(server_object());
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
            .with_executable(firmware_update::ids::CANCEL)
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

/// Serves further objects by their definitions, each with an instance 0. Of several versions the
/// highest counts; objects that the tree has stay as they are.
pub(crate) fn serve(tree: &mut Tree, registry: &Registry) {
    for definition in registry.iter() {
        let latest = registry.latest(definition.id);
        if let (Some(latest), None) = (latest, tree.get(definition.id)) {
            let mut object = Dynamic::new(latest.clone());
            object.insert(0);
            tree.insert(object);
        }
    }
}

pub(crate) fn device(endpoint: &str) -> Device {
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

pub(crate) fn sensor() -> Temperature {
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
    use test_ids::ids;
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
    fn further_objects_are_served_in_their_highest_version() {
        let mut registry = Registry::core();
        let mut lamp = lwm2m_model::ObjectDefinition::clone(registry.latest(3303).unwrap());
        lamp.id = 42769;
        registry.insert(lamp.clone());
        lamp.version = lwm2m_codec::Version::V1_2;
        registry.insert(lamp);
        let mut tree = tree("device", &super::super::executions::channel().0);
        serve(&mut tree, &registry);
        assert_eq!(
            tree.definition(42769).unwrap().version,
            lwm2m_codec::Version::V1_2
        );
        assert!(tree.contains(lwm2m_codec::Path::resource(42769, 0, 5700)));
        assert!(
            tree.typed::<Temperature>().is_some(),
            "the device's own stays"
        );
    }
}

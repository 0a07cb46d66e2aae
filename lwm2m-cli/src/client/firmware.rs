//! The states of the Firmware Update object (TS-Core App. E.6): a package that a server pushes is
//! "installed" at once; there is no download.

use lwm2m_codec::{Path, coap::Code};
use lwm2m_model::{Failure, objects::FirmwareUpdate};

/// Object ID.
pub(crate) const OBJECT: u16 = 5;

const IDLE: i64 = 0;
const DOWNLOADED: i64 = 2;
const UPDATING: i64 = 3;

const INITIAL: i64 = 0;
const SUCCESS: i64 = 1;
const UNSUPPORTED_PROTOCOL: i64 = 9;
const CANCELLED: i64 = 10;

/// Delivery method 1: the server pushes packages.
const PUSH: i64 = 1;

/// A device without a package.
pub(crate) fn initial() -> FirmwareUpdate {
    FirmwareUpdate {
        firmware_update_delivery_method: PUSH,
        ..FirmwareUpdate::default()
    }
}

/// A server wrote the package: the state follows. A package that is empty or a single NUL drops
/// the one that is there.
pub(crate) fn package_written(firmware: &mut FirmwareUpdate) {
    let empty = matches!(firmware.package.as_slice(), [] | [0]);
    firmware.state = if empty { IDLE } else { DOWNLOADED };
    firmware.update_result = INITIAL;
    if empty {
        firmware.package.clear();
    }
}

/// A server wrote the URI of a package, and nothing here downloads.
pub(crate) fn uri_written(firmware: &mut FirmwareUpdate) {
    let empty = firmware.package_uri.is_empty();
    firmware.update_result = if empty { INITIAL } else { UNSUPPORTED_PROTOCOL };
    firmware.state = IDLE;
    firmware.package.clear();
}

/// Update was executed.
///
/// # Errors
/// 4.05 outside of state Downloaded.
pub(crate) fn update(firmware: &mut FirmwareUpdate, path: Path) -> Result<(), Failure> {
    if firmware.state != DOWNLOADED {
        return Err(refused(path, "there is no package to install"));
    }
    firmware.state = UPDATING;
    Ok(())
}

/// The device restarted with the new firmware.
pub(crate) fn updated(firmware: &mut FirmwareUpdate) {
    firmware.state = IDLE;
    firmware.update_result = SUCCESS;
    firmware.package.clear();
    firmware.package_uri.clear();
}

/// Cancel was executed.
///
/// # Errors
/// 4.05 if there is nothing to cancel.
pub(crate) fn cancel(firmware: &mut FirmwareUpdate, path: Path) -> Result<(), Failure> {
    if firmware.state != DOWNLOADED {
        return Err(refused(path, "there is no package to drop"));
    }
    firmware.state = IDLE;
    firmware.update_result = CANCELLED;
    firmware.package.clear();
    Ok(())
}

fn refused(path: Path, reason: &'static str) -> Failure {
    Failure::new(Code::METHOD_NOT_ALLOWED, path, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: Path = Path::resource(OBJECT, 0, 2);

    fn with_package() -> FirmwareUpdate {
        let mut firmware = FirmwareUpdate {
            package: vec![1, 2, 3],
            ..initial()
        };
        package_written(&mut firmware);
        firmware
    }

    #[test]
    fn a_pushed_package_can_be_installed() {
        let mut firmware = with_package();
        assert_eq!(
            (firmware.state, firmware.update_result),
            (DOWNLOADED, INITIAL)
        );
        update(&mut firmware, UPDATE).unwrap();
        assert_eq!(firmware.state, UPDATING);
        updated(&mut firmware);
        assert_eq!((firmware.state, firmware.update_result), (IDLE, SUCCESS));
        assert!(firmware.package.is_empty());
    }

    #[test]
    fn update_and_cancel_need_a_package() {
        let mut firmware = initial();
        let code = |result: Result<(), Failure>| result.unwrap_err().code;
        assert_eq!(
            code(update(&mut firmware, UPDATE)),
            Code::METHOD_NOT_ALLOWED
        );
        assert_eq!(
            code(cancel(&mut firmware, UPDATE)),
            Code::METHOD_NOT_ALLOWED
        );
        assert_eq!(firmware, initial());
    }

    #[test]
    fn a_package_is_dropped_by_cancel_and_by_a_nul() {
        let mut firmware = with_package();
        cancel(&mut firmware, UPDATE).unwrap();
        assert_eq!((firmware.state, firmware.update_result), (IDLE, CANCELLED));
        let mut firmware = FirmwareUpdate {
            package: vec![0],
            ..with_package()
        };
        package_written(&mut firmware);
        assert_eq!((firmware.state, firmware.package.len()), (IDLE, 0));
    }

    #[test]
    fn a_uri_is_answered_by_the_result() {
        let mut firmware = FirmwareUpdate {
            package_uri: "coap://x/y".into(),
            ..initial()
        };
        uri_written(&mut firmware);
        assert_eq!(
            (firmware.state, firmware.update_result),
            (IDLE, UNSUPPORTED_PROTOCOL)
        );
    }
}

//! Which version an object has when nobody says so.

use core::cmp::Ordering;

use lwm2m_codec::Version;

/// Object versions that the enabler implies: Object ID, then for LwM2M 1.0, 1.1 and 1.2
/// (TS-Core App. E, Table E.-1 of each release).
const CORE: [(u16, [Option<Version>; 3]); 14] = [
    (0, [V1_0, V1_1, V1_2]),
    (1, [V1_0, V1_1, V1_2]),
    (2, [V1_0, V1_0, V1_1]),
    (3, [V1_0, V1_1, V1_2]),
    (4, [V1_0, V1_2, V1_3]),
    // The table of 1.2 says 1.1, its text describes 1.2.
    (5, [V1_0, V1_0, V1_1]),
    (6, [V1_0, V1_0, V1_0]),
    (7, [V1_0, V1_0, V1_0]),
    (21, [None, V1_0, V2_0]),
    (23, [None, None, V1_0]),
    (24, [None, None, V1_0]),
    (25, [None, None, V1_0]),
    (26, [None, None, V1_0]),
    (27, [None, None, V1_0]),
];

const V1_0: Option<Version> = Some(Version::V1_0);
const V1_1: Option<Version> = Some(Version::V1_1);
const V1_2: Option<Version> = Some(Version::V1_2);
const V1_3: Option<Version> = Some(Version::new(1, 3));
const V2_0: Option<Version> = Some(Version::new(2, 0));

/// Returns the version that a version of the enabler gives to one of its own objects; `None` for
/// all other objects.
///
/// An enabler of another minor version counts as the nearest one that is known.
pub fn implied_version(enabler: Version, object: u16) -> Option<Version> {
    let column = match enabler {
        Version { major: 0, .. } | Version { major: 1, minor: 0 } => 0,
        Version { major: 1, minor: 1 } => 1,
        _ => 2,
    };
    let row = CORE.binary_search_by_key(&object, |(id, _)| *id).ok()?;
    *CORE.get(row)?.1.get(column)?
}

/// Returns the version of an object as both sides understand it: that of the `ver` parameter, or
/// the one the enabler implies, or 1.0 (TS-Core §7.2.3).
pub fn effective_version(enabler: Version, object: u16, ver: Option<Version>) -> Version {
    ver.or_else(|| implied_version(enabler, object))
        .unwrap_or(Version::V1_0)
}

/// Tells whether links to an object must carry `ver`: its version is not the one that
/// [`effective_version`] finds without (TS-Core §7.2.3).
pub fn needs_ver(enabler: Version, object: u16, version: Version) -> bool {
    effective_version(enabler, object, None) != version
}

/// How well a definition describes the object that a device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is of the same version.
    Same,
    /// It is newer by minor versions: it may have optional resources that the device does not.
    Newer,
    /// It is older by minor versions: the device may have optional resources that it does not.
    Older,
    /// It is of another major version: the same id may mean something else.
    Other,
}

impl Fit {
    /// True if what the device has can be read by the definition.
    pub const fn is_readable(self) -> bool {
        !matches!(self, Self::Other)
    }
}

/// Decides how well the version of a definition fits that of the device's object (TS-Core §7.2.1).
///
/// The version of the device is what [`effective_version`] finds.
pub fn fit(definition: Version, device: Version) -> Fit {
    match definition.minor.cmp(&device.minor) {
        _ if definition.major != device.major => Fit::Other,
        Ordering::Equal => Fit::Same,
        Ordering::Greater => Fit::Newer,
        Ordering::Less => Fit::Older,
    }
}

/// Returns the version under which a client shows an object to a server that speaks this version
/// of the enabler.
///
/// An object of the enabler that is newer than the enabler says goes by the version that the
/// enabler implies. A minor version only adds optional resources, which every server must take
/// (TS-Core §5.2), and servers of the older enabler have no definition of the newer object:
/// Leshan 2.0.0-M18, which speaks 1.1, could not write the lifetime of `</1>;ver=1.2`.
pub fn shown_version(enabler: Version, object: u16, version: Version) -> Version {
    match implied_version(enabler, object) {
        Some(implied) if implied.major == version.major && implied < version => implied,
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_newer_than_the_enabler_goes_by_the_version_of_the_enabler() {
        let shown = shown_version(Version::V1_1, 1, Version::V1_2);
        assert_eq!(shown, Version::V1_1);
        assert!(!needs_ver(Version::V1_1, 1, shown));
        assert_eq!(
            shown_version(Version::V1_2, 4, Version::V1_2),
            Version::V1_2
        );
        assert_eq!(
            shown_version(Version::V1_1, 21, Version::new(2, 0)),
            Version::new(2, 0)
        );
        assert_eq!(
            shown_version(Version::V1_1, 3303, Version::V1_1),
            Version::V1_1
        );
    }

    #[test]
    fn each_enabler_implies_its_own_object_versions() {
        assert_eq!(implied_version(Version::V1_0, 4), V1_0);
        assert_eq!(implied_version(Version::V1_1, 4), V1_2);
        assert_eq!(implied_version(Version::V1_2, 4), V1_3);
        assert_eq!(implied_version(Version::V1_0, 21), None);
        assert_eq!(implied_version(Version::V1_2, 3303), None);
        assert!(CORE.is_sorted());
    }

    #[test]
    fn the_ver_parameter_wins_and_other_objects_are_1_0() {
        let ver = Some(Version::new(2, 1));
        assert_eq!(effective_version(Version::V1_1, 3, ver), Version::new(2, 1));
        assert_eq!(effective_version(Version::V1_1, 3, None), Version::V1_1);
        assert_eq!(effective_version(Version::V1_2, 3303, None), Version::V1_0);
    }

    #[test]
    fn ver_is_needed_where_the_version_is_not_implied() {
        assert!(!needs_ver(Version::V1_2, 3, Version::V1_2));
        assert!(needs_ver(Version::V1_1, 3, Version::V1_2));
        assert!(needs_ver(Version::V1_2, 3303, Version::V1_1));
        assert!(!needs_ver(Version::V1_2, 6, Version::V1_0));
    }

    #[test]
    fn minor_versions_fit_and_major_ones_do_not() {
        let of = |definition, device| fit(definition, device);
        assert_eq!(of(Version::V1_1, Version::V1_1), Fit::Same);
        assert_eq!(of(Version::V1_2, Version::V1_0), Fit::Newer);
        assert_eq!(of(Version::V1_0, Version::new(1, 3)), Fit::Older);
        assert_eq!(of(Version::V1_0, Version::new(2, 0)), Fit::Other);
        assert!(Fit::Older.is_readable() && !Fit::Other.is_readable());
    }

    #[test]
    fn a_device_that_says_nothing_has_what_its_enabler_implies() {
        // Device 1.2 read by a struct of 1.2, from devices of each enabler.
        let fits = |enabler| fit(Version::V1_2, effective_version(enabler, 3, None));
        assert_eq!(fits(Version::V1_0), Fit::Newer);
        assert_eq!(fits(Version::V1_2), Fit::Same);
        let oscore = |enabler| fit(Version::new(2, 0), effective_version(enabler, 21, None));
        assert_eq!(oscore(Version::V1_1), Fit::Other);
        assert_eq!(oscore(Version::V1_2), Fit::Same);
    }
}

//! The rules: their ids, how grave they are, and what they ask for.

use std::fmt;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The definition breaks a rule of the standard, or can't be used as it is.
    Error,
    /// The definition can be used, and is probably not what its author wanted.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

macro_rules! rules {
    ($($(#[doc = $about:literal])+ $name:ident = $id:literal, $severity:ident;)*) => {
        /// A rule for object definitions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $about])+ $name,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Name of the rule, for people and programs.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// How grave it is to break the rule.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What the rule asks for.
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($about),+).trim(),)* }
            }
        }
    };
}

rules! {
    /// The file is well-formed XML in UTF-8 and defines objects.
    Malformed = "malformed", Error;
    /// Nothing that a definition must say is missing.
    MissingElement = "missing-element", Error;
    /// Nothing is said twice.
    RepeatedElement = "repeated-element", Error;
    /// There are no elements that the schema does not know.
    UnknownElement = "unknown-element", Warning;
    /// Elements are complete and in the order of the schema.
    SchemaOrder = "schema-order", Warning;
    /// Elements have one of the values that are allowed.
    InvalidValue = "invalid-value", Error;
    /// The file is named after the id and version that it defines.
    FileName = "file-name", Warning;
    /// The Object ID is one that can be assigned (TS-Core §7.4).
    ObjectId = "object-id", Error;
    /// Object IDs 42769 to 42800 are for tests only.
    TestId = "test-id", Warning;
    /// The URN is `urn:oma:lwm2m:{oma|ext|x}:ID[:VERSION]` (TS-Core §7.2.2).
    UrnForm = "urn-form", Error;
    /// The class in the URN is that of the range of the Object ID.
    UrnClass = "urn-class", Error;
    /// The URN states the Object ID.
    UrnId = "urn-id", Error;
    /// The URN states the version of the object, unless that is 1.0.
    UrnVersion = "urn-version", Error;
    /// Versions are two numbers with a dot.
    VersionForm = "version-form", Error;
    /// The version of LwM2M exists and has what the definition uses.
    Lwm2mVersion = "lwm2m-version", Warning;
    /// Objects and resources have names.
    NameMissing = "name-missing", Error;
    /// Names have no blanks around them and only single ones inside.
    NameBlanks = "name-blanks", Warning;
    /// Resources of an object have different names.
    NameTwice = "name-twice", Warning;
    /// Different objects have different names.
    ObjectNameTwice = "object-name-twice", Warning;
    /// Objects and resources are described.
    DescriptionMissing = "description-missing", Warning;
    /// Only the enabler's own objects 0, 1 and 3 are mandatory.
    MandatoryObject = "mandatory-object", Warning;
    /// An object has at least one resource.
    NoResources = "no-resources", Error;
    /// Resource IDs are numbers from 0 to 65534.
    ResourceId = "resource-id", Error;
    /// A Resource ID is defined once.
    ResourceTwice = "resource-twice", Error;
    /// Resources are in ascending order of their ids.
    ResourceOrder = "resource-order", Warning;
    /// Executable resources have no type (TS-Core App. D.2).
    ExecutableType = "executable-type", Error;
    /// Executable resources are Single (TS-Core App. D.2).
    ExecutableMultiple = "executable-multiple", Error;
    /// Executable resources have neither range nor unit.
    ExecutableValue = "executable-value", Warning;
    /// Resources with a value have a type.
    TypeMissing = "type-missing", Error;
    /// Resources outside of the bootstrap objects allow an operation.
    NoOperation = "no-operation", Warning;
    /// A Single resource needs no second instance to say what it says.
    SingleMultiple = "single-multiple", Error;
    /// Ranges are written so that programs understand them (TS-Core App. D.1).
    RangeSyntax = "range-syntax", Warning;
    /// A range is not a single number, which may be a maximum, a length, a default.
    RangeSingle = "range-single", Warning;
    /// Ranges contain something.
    RangeEmpty = "range-empty", Error;
    /// Ranges lie within their type, and the type has one.
    RangeType = "range-type", Error;
    /// Units are symbols of the SenML units registries.
    UnitUnknown = "unit-unknown", Warning;
    /// Units are none that the SenML units registry advises against.
    UnitDiscouraged = "unit-discouraged", Warning;
    /// Only numbers have units.
    UnitType = "unit-type", Warning;
    /// Resource IDs from 2048 on are registered as reusable resources.
    ReusableUnknown = "reusable-unknown", Warning;
    /// A reusable resource is what its registration says.
    ReusableDiffers = "reusable-differs", Error;
    /// A change that breaks users comes with a new major version (TS-Core §7.2.1).
    BreakingChange = "breaking-change", Error;
    /// Names stay from version to version (TS-Core §7.2.1).
    NameChanged = "name-changed", Warning;
    /// Files of the same object and version say the same.
    VersionTwice = "version-twice", Error;
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

//! Any text as an object definition in XML.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(ddf_xml);

//! Accounts as the client uses them.

use alloc::{string::String, vec::Vec};

use lwm2m_bootstrap::device;
use lwm2m_coap::ConnectError;
use lwm2m_model::Tree;

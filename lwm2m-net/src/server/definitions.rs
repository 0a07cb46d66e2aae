//! The definitions by which payloads are understood, which may change while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use lwm2m_model::Registry;

/// A registry that is replaced whole: whoever decodes keeps the one of its beginning.
#[derive(Debug)]
pub(super) struct Definitions(RwLock<Arc<Registry>>);

impl Definitions {
    pub(super) fn new(registry: Registry) -> Self {
        Self(RwLock::new(Arc::new(registry)))
    }

    pub(super) fn current(&self) -> Arc<Registry> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace(&self, registry: Arc<Registry>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = registry;
    }
}

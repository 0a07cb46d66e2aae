//! Bootstrap-Finish (TS-Core §6.1.7.6).

use alloc::string::ToString;

use lwm2m_coap::Draft;
use lwm2m_codec::coap::Code;
use lwm2m_model::Tree;

use super::{Progress, Provisioning, unbootstrap};
use crate::check_consistency;

impl Provisioning {
    /// Checks what the bootstrap made of the device: keeps it, or says what is wrong and lets
    /// the bootstrap server go on.
    pub(super) fn finish(&mut self, tree: &mut Tree) -> (Draft, Progress) {
        let refuse = |reason: &str| {
            tracing::info!(reason, "the bootstrap left the device inconsistent");
            let draft = Draft::new(Code::NOT_ACCEPTABLE).diagnostic(reason);
            (draft, Progress::Continue)
        };
        let Some(started) = &self.started else {
            // Nothing was changed: the accounts that are there must do.
            return match check_consistency(tree) {
                Ok(()) => (Draft::new(Code::CHANGED), Progress::Finished),
                Err(inconsistency) => refuse(&inconsistency.to_string()),
            };
        };
        // Before the removal of what lost its server: that can't be checked again, only undone.
        if let Err(failure) = tree.check() {
            return refuse(&failure.to_string());
        }
        tree.begin();
        unbootstrap::remove(tree, &started.ssids, &started.written);
        if let Err(inconsistency) = check_consistency(tree) {
            tree.rollback();
            return refuse(&inconsistency.to_string());
        }
        tree.merge();
        self.started = None;
        match tree.commit() {
            Ok(()) => (Draft::new(Code::CHANGED), Progress::Finished),
            // The commit has undone everything: the device is what it was before.
            Err(failure) => refuse(&failure.to_string()),
        }
    }
}

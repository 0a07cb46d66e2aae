//! Bootstrap-Finish (TS-Core §6.1.7.6).

use alloc::string::ToString;

use lwm2m_coap::Draft;
use lwm2m_codec::coap::Code;
use lwm2m_model::{Failure, Tree};

use super::{Progress, Provisioning, unbootstrap};
use crate::{Inconsistency, check_consistency};

/// What a bootstrap left wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfinished {
    /// The accounts contradict each other.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
    /// An object does not accept what was written.
    #[error("{}: {}", .0.path, .0.reason)]
    Refused(#[from] Failure),
}

impl Provisioning {
    /// Checks what the bootstrap made of the device: keeps it, or says what is wrong and lets
    /// the bootstrap server go on.
    pub(super) fn finish(&mut self, tree: &mut Tree) -> (Draft, Progress) {
        let done = match self.holding {
            true => self.prepare(tree).map(|()| Progress::Prepared),
            false => self.conclude(tree).map(|()| Progress::Finished),
        };
        match done {
            Ok(progress) => (Draft::new(Code::CHANGED), progress),
            Err(unfinished) => {
                tracing::info!(%unfinished, "the bootstrap left the device inconsistent");
                let draft = Draft::new(Code::NOT_ACCEPTABLE).diagnostic(&unfinished.to_string());
                (draft, Progress::Continue)
            }
        }
    }

    /// Does all that belongs to the end of the bootstrap but keeping it.
    pub(super) fn prepare(&mut self, tree: &mut Tree) -> Result<(), Unfinished> {
        let Some(started) = &self.started else {
            // Nothing was changed: the accounts that are there must do.
            return Ok(check_consistency(tree)?);
        };
        // Before the removal of what lost its server: that can't be checked again, only undone.
        tree.check()?;
        tree.begin();
        unbootstrap::remove(tree, &started.ssids, &started.written);
        if let Err(inconsistency) = check_consistency(tree) {
            tree.rollback();
            return Err(inconsistency.into());
        }
        tree.merge();
        Ok(())
    }

    /// Keeps what the bootstrap made of the device, if it is consistent.
    pub(super) fn conclude(&mut self, tree: &mut Tree) -> Result<(), Unfinished> {
        self.prepare(tree)?;
        if self.started.take().is_some() {
            // A commit that fails has undone everything: the device is what it was before.
            tree.commit()?;
        }
        Ok(())
    }
}

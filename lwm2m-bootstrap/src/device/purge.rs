//! Removal of the bootstrap server's account after its timeout (TS-Core App. E.1, /0/x/12).

use lwm2m_codec::Path;
use lwm2m_model::{Failure, Tree};

use super::delete;
use crate::{accounts, view::id};

/// Removes the account of the bootstrap server with all it links to, in one step; false if there
/// is none.
///
/// # Errors
/// What an object refuses; everything is as before then.
pub fn remove_bootstrap_account(tree: &mut Tree) -> Result<bool, Failure> {
    let Some(account) = accounts(tree).bootstrap else {
        return Ok(false);
    };
    let mut paths = delete::protected(tree, account.instance);
    paths.remove(&Path::instance(id::DEVICE, 0));
    paths.retain(|path| tree.contains(*path));
    tree.begin();
    for path in paths {
        if let Err(failure) = tree.delete(path) {
            tree.rollback();
            return Err(failure);
        }
    }
    tree.commit()?;
    Ok(true)
}

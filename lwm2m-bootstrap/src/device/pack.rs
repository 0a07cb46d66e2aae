//! Bootstrap-Pack: all in one answer (TS-Core §6.1.7.7).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
};

use lwm2m_codec::{ContentFormat, DecodeError, Decoder, Path};
use lwm2m_model::{Failure, ObjectDefinition, Tree};

use super::{Provisioning, Unfinished, delete, write};
use crate::view::{id, is_bootstrap};

/// Why a device can't use a pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// It can't be decoded.
    #[error("the pack can't be decoded: {0}")]
    Decode(#[from] DecodeError),
    /// It names an object that the device does not have.
    #[error("the pack has object {0}, which the device has not")]
    UnknownObject(u16),
    /// It has a value that is for no instance.
    #[error("the pack has a value for {0}, which is no resource")]
    NoResource(Path),
    /// It would change the account of the bootstrap server, or the Device.
    #[error("the pack would change {0}, which stays as it is")]
    Protected(Path),
    /// An object does not accept a value.
    #[error("the pack does not fit: {0}")]
    Refused(#[from] Failure),
    /// The device would have been left inconsistent.
    #[error("the pack is inconsistent: {0}")]
    Unfinished(#[from] Unfinished),
}

/// Names the instances of the bootstrap server's account, as a Bootstrap-Pack-Request tells them
/// in `acc`: `</0/1>,</21/0>`. Empty if there is no such account.
pub fn pack_accounts(tree: &Tree, account: u16) -> String {
    if !is_bootstrap(tree, account) {
        return String::new();
    }
    delete::protected(tree, account)
        .into_iter()
        .filter(|path| path.object_id() != Some(id::DEVICE))
        .fold(String::new(), |list, path| {
            let comma = if list.is_empty() { "" } else { "," };
            format!("{list}{comma}<{path}>")
        })
}

impl Provisioning {
    /// Does what a pack says, or nothing: all instances of the objects in it are replaced, but
    /// for the account of the bootstrap server and the Device; other objects stay.
    ///
    /// # Errors
    /// [`PackError`]; the tree is as before then, and the device goes on with a
    /// Bootstrap-Request.
    pub fn apply_pack(
        self,
        tree: &mut Tree,
        format: ContentFormat,
        payload: &[u8],
    ) -> Result<(), PackError> {
        let prepared = self.prepare_pack(tree, format, payload)?;
        Ok(prepared.commit(tree).map_err(Unfinished::from)?)
    }

    /// Does what a pack says without keeping it: that is left to [`commit`](Self::commit) or
    /// [`abort`](Self::abort).
    ///
    /// # Errors
    /// As [`apply_pack`](Self::apply_pack).
    pub fn prepare_pack(
        mut self,
        tree: &mut Tree,
        format: ContentFormat,
        payload: &[u8],
    ) -> Result<Self, PackError> {
        let definitions = definitions(tree, format, payload)?;
        self.open(tree);
        let result = self
            .replace(tree, &definitions, format, payload)
            .and_then(|()| Ok(self.prepare(tree)?));
        match result {
            Ok(()) => Ok(self),
            Err(error) => {
                self.abort(tree);
                Err(error)
            }
        }
    }

    fn replace(
        &mut self,
        tree: &mut Tree,
        definitions: &BTreeMap<u16, ObjectDefinition>,
        format: ContentFormat,
        payload: &[u8],
    ) -> Result<(), PackError> {
        let protected = delete::protected(tree, self.account);
        for object in definitions.keys() {
            delete::delete_below(tree, Path::object(*object), &protected)?;
        }
        let types = |path: Path| {
            let definition = definitions.get(&path.object_id()?)?;
            definition.resource(path.resource_id()?)?.data_type
        };
        for record in Decoder::new(format, Path::ROOT, payload, &types)? {
            let record = record?;
            let (Some(object), Some(instance)) =
                (record.path.object_id(), record.path.instance_id())
            else {
                continue;
            };
            let path = Path::instance(object, instance);
            if protected.contains(&path) {
                return Err(PackError::Protected(path));
            }
            if !tree.contains(path) {
                tree.create(object, Some(instance))?;
                self.note_write(tree, path);
            }
            if let Some(resource) = record.path.resource_id() {
                let definition = definitions.get(&object);
                let definition = definition.and_then(|object| object.resource(resource));
                write::write_record(tree, &record, definition)?;
            }
        }
        Ok(())
    }
}

/// The definitions of the objects that a pack has.
fn definitions(
    tree: &Tree,
    format: ContentFormat,
    payload: &[u8],
) -> Result<BTreeMap<u16, ObjectDefinition>, PackError> {
    let types = |path: Path| tree.resource_definition(path)?.data_type;
    let mut objects = BTreeSet::new();
    for record in Decoder::new(format, Path::ROOT, payload, &types)? {
        let record = record?;
        let object = record.path.object_id();
        let object = object.ok_or(PackError::NoResource(record.path))?;
        if record.value.is_some() && record.path.resource_id().is_none() {
            return Err(PackError::NoResource(record.path));
        }
        objects.insert(object);
    }
    objects
        .into_iter()
        .map(|object| match tree.definition(object) {
            Some(definition) => Ok((object, definition.clone())),
            None => Err(PackError::UnknownObject(object)),
        })
        .collect()
}

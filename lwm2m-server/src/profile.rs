//! Profiles: names for lists of objects, so that a device need not send its list
//! (TS-Core 1.2 §6.2.1).

use alloc::{borrow::ToOwned, collections::BTreeMap, string::String};

use lwm2m_codec::{ContentFormat, Version};

use crate::{
    ObjectList, RefuseReason, RegistrationId, Server,
    register::{Listing, Parameters},
};

/// Lists of objects by profile id. The standard gives no way to compute an id again, so that
/// ids are mere names.
#[derive(Debug, Default)]
pub(crate) struct Profiles(BTreeMap<String, ObjectList>);

impl Profiles {
    /// Adds the objects of the profiles to a list; false if one of them is unknown.
    pub(crate) fn add_to(&self, objects: &mut ObjectList, profiles: &[String]) -> bool {
        let mut known = true;
        for profile in profiles {
            match self.0.get(profile) {
                Some(list) => objects.merge(list),
                None => known = false,
            }
        }
        known
    }
}

impl Server {
    /// Defines a profile by links such as `</1/0>,</3/0>;ver=1.2`.
    ///
    /// # Errors
    /// [`RefuseReason`]: the links are malformed, or there are too many profiles.
    pub fn define_profile(&mut self, profile: &str, links: &str) -> Result<(), RefuseReason> {
        let limits = &self.config.limits;
        let format = Some(ContentFormat::LINK);
        let listing = Listing::parse(format, links.as_bytes(), limits)?;
        let known = self.profiles.0.contains_key(profile);
        if !known && self.profiles.0.len() >= limits.profiles {
            return Err(RefuseReason::Full);
        }
        let objects = listing.unwrap_or_default().objects;
        self.profiles.0.insert(profile.to_owned(), objects);
        Ok(())
    }

    /// The objects of a Register: its list, its profiles, or both together.
    pub(crate) fn resolve_listing(
        &self,
        version: Version,
        parameters: &Parameters,
        listing: Option<Listing>,
    ) -> Result<Listing, RefuseReason> {
        let listed = listing.is_some();
        let mut listing = listing.unwrap_or_default();
        let objects = &mut listing.objects;
        let known = self.profiles.add_to(objects, &parameters.profiles);
        match (listed, known && !parameters.profiles.is_empty()) {
            // A list alone is enough: an unknown profile adds nothing.
            (true, _) | (_, true) => Ok(listing),
            // TS-Core 1.1 §6.2.1: the list is mandatory before LwM2M 1.2.
            (false, false) if version < Version::V1_2 => Err(RefuseReason::Missing("object list")),
            // TS-Transport §6.7: 4.09 asks the device for the whole list.
            (false, false) => Err(RefuseReason::ObjectsUnknown),
        }
    }

    /// The objects of an Update: its list with its profiles, or its profiles alone if all are
    /// known; `None` leaves the objects as they are.
    pub(crate) fn updated_listing(
        &self,
        id: RegistrationId,
        parameters: &Parameters,
        listing: Option<Listing>,
    ) -> Option<Listing> {
        let profiles = &parameters.profiles;
        if let Some(mut listing) = listing {
            self.profiles.add_to(&mut listing.objects, profiles);
            return Some(listing);
        }
        let registration = self.registration(id).filter(|_| !profiles.is_empty())?;
        let mut objects = ObjectList::default();
        let known = self.profiles.add_to(&mut objects, profiles);
        known.then(|| Listing {
            root: registration.root.clone(),
            formats: registration.formats.clone(),
            objects,
        })
    }
}

//! What custodians may ask for, and doing it to a ring's content.

use super::custody::{self, Custodian, CustodyError, Operation, Request};
use super::file::Content;
use super::names::{MacKey, NAMES};
use super::{Done, KeyKind, KeyRingError, KeyState, Kms, opened};

pub(super) fn find_request<'a>(
    content: &'a Content,
    id: &str,
) -> Result<&'a Request, KeyRingError> {
    let found = content.requests.iter().find(|request| request.id == id);
    found.ok_or_else(|| CustodyError::NoRequest(id.to_owned()).into())
}

/// Refuses at once what could not be done later.
pub(super) fn possible(content: &Content, operation: &Operation) -> Result<(), KeyRingError> {
    match operation {
        Operation::Rotate { key } => match NAMES.iter().find(|(name, _)| name == key) {
            None => Err(KeyRingError::UnknownKey(key.clone())),
            Some((name, _)) if *name == MacKey::Pseudonym.name() => {
                Err(KeyRingError::NotRotatable { name: key.clone() })
            }
            Some(_) => Ok(()),
        },
        Operation::Destroy { number } => {
            let key = content.keys.iter().find(|key| key.number == *number);
            let key = key.ok_or_else(|| KeyRingError::UnknownKey(number.to_string()))?;
            if key.state == KeyState::DecryptOnly {
                Ok(())
            } else {
                Err(KeyRingError::NotRetired { number: *number })
            }
        }
        Operation::Enroll { custodian } => {
            custodian.check()?;
            is_new(content, custodian)
        }
        Operation::Dismiss { name } => {
            if content.custodians.iter().all(|known| known.name != *name) {
                return Err(CustodyError::Unknown(name.clone()).into());
            }
            if content.custodians.len() <= custody::LEAST {
                return Err(CustodyError::TooFew.into());
            }
            Ok(())
        }
    }
}

pub(super) fn perform(
    content: &mut Content,
    kms: &dyn Kms,
    operation: Operation,
    now: i64,
) -> Result<Done, KeyRingError> {
    possible(content, &operation)?;
    match operation {
        Operation::Rotate { key } => {
            let known = NAMES.iter().find(|(name, _)| *name == key);
            let (name, kind) = known.ok_or(KeyRingError::UnknownKey(key))?;
            let number = opened::add(content, name, *kind, Some(now), kms)?;
            Ok(Done::Rotated { number })
        }
        Operation::Destroy { number } => {
            let ring = content.ring.clone();
            for key in content.keys.iter_mut().filter(|key| key.number == number) {
                let material = key.material.take().unwrap_or_default();
                if key.kind == KeyKind::Sm2 {
                    let pair = hex::decode(material).unwrap_or_default();
                    kms.destroy_pair(&opened::label(&ring, key), &pair)?;
                }
                key.state = KeyState::Destroyed;
                key.destroyed = Some(now);
            }
            Ok(Done::Destroyed { number })
        }
        Operation::Enroll { custodian } => enroll(content, custodian).map(|()| Done::Enrolled),
        Operation::Dismiss { name } => {
            content.custodians.retain(|known| known.name != name);
            Ok(Done::Dismissed)
        }
    }
}

pub(super) fn enroll(content: &mut Content, custodian: Custodian) -> Result<(), KeyRingError> {
    custodian.check()?;
    is_new(content, &custodian)?;
    content.custodians.push(custodian);
    Ok(())
}

fn is_new(content: &Content, custodian: &Custodian) -> Result<(), KeyRingError> {
    let taken =
        |known: &Custodian| known.name == custodian.name || known.public == custodian.public;
    if content.custodians.iter().any(taken) {
        let name = custodian.name.clone();
        return Err(CustodyError::Enrolled { name }.into());
    }
    Ok(())
}

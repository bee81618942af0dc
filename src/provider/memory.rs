//! What an account holds: asked before bytes are read.

use crate::provider::coming::Coming;
use postrider_core::failure::Failure;
use postrider_core::mail::body::BodyRef;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::Identity;
use postrider_core::mail::recognise::Missed;
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// The bytes of a message that is held.
#[derive(Clone, Copy, Debug)]
pub struct HeldBody {
    /// Where they lie.
    pub body: BodyRef,
    /// Their length as the server told it.
    pub size: u64,
}

/// Answers for the accounts of this process, by their ids in the config.
pub trait Memory: std::fmt::Debug + Send + Sync {
    /// Of these messages, those that are held.
    ///
    /// # Errors
    /// Class storage.
    fn held<'a>(
        &'a self,
        account: &'a str,
        names: &'a [Identity],
    ) -> Coming<'a, Result<BTreeMap<Identity, HeldBody>, Failure>>;

    /// Of these messages, those that another one of the account is like, as Message-ID and size say.
    ///
    /// # Errors
    /// Class storage.
    fn twins<'a>(
        &'a self,
        account: &'a str,
        names: &'a [Identity],
    ) -> Coming<'a, Result<BTreeSet<Identity>, Failure>>;

    /// What is looked for, and may be found in the folder of this wire name.
    ///
    /// # Errors
    /// Class storage.
    fn missed<'a>(
        &'a self,
        account: &'a str,
        remote_id: &'a WireName,
    ) -> Coming<'a, Result<Missed, Failure>>;

    /// When a server last refused a proof of the password that goes by this mark, if it has.
    ///
    /// # Errors
    /// Class storage.
    fn refused_proof<'a>(
        &'a self,
        account: &'a str,
        mark: &'a str,
    ) -> Coming<'a, Result<Option<Micros>, Failure>>;

    /// It has just refused one.
    fn note_refused_proof(&self, account: &str, mark: &str);
}

/// Holds nothing.
#[derive(Debug)]
pub(super) struct Blank;

impl Memory for Blank {
    fn held<'a>(
        &'a self,
        _account: &'a str,
        _names: &'a [Identity],
    ) -> Coming<'a, Result<BTreeMap<Identity, HeldBody>, Failure>> {
        Box::pin(std::future::ready(Ok(BTreeMap::new())))
    }

    fn twins<'a>(
        &'a self,
        _account: &'a str,
        _names: &'a [Identity],
    ) -> Coming<'a, Result<BTreeSet<Identity>, Failure>> {
        Box::pin(std::future::ready(Ok(BTreeSet::new())))
    }

    fn missed<'a>(
        &'a self,
        _account: &'a str,
        _remote_id: &'a WireName,
    ) -> Coming<'a, Result<Missed, Failure>> {
        Box::pin(std::future::ready(Ok(Missed::default())))
    }

    fn refused_proof<'a>(
        &'a self,
        _account: &'a str,
        _mark: &'a str,
    ) -> Coming<'a, Result<Option<Micros>, Failure>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn note_refused_proof(&self, _account: &str, _mark: &str) {}
}

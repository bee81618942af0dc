//! Postrider's schema, one step a file. Steps are only ever added.

#![expect(
    elided_lifetimes_in_paths,
    reason = "async_trait refuses '_ where the trait's lifetime is late-bound"
)]

use sea_orm_migration::prelude::{MigrationTrait, MigratorTrait};

mod columns;
mod fresh;
mod later;
mod m0001_mirror;
mod m0002_server;
mod m0003_mend;
mod m0004_stamp;
mod m0005_credential;
mod m0006_owner;
mod m0007_spending;
mod m0008_feed;
mod m0009_packs;
mod m0010_names;
mod m0011_counts;
mod m0012_bodies;
mod m0013_refused;
mod m0014_derived;
mod m0015_contacts;
mod m0016_lists;
mod m0017_words;
mod m0018_views;
mod m0019_vocabulary;
mod m0020_newest_words;
mod m0021_waits;
mod m0022_asked;
mod m0023_left_out;
mod m0024_jobs;
mod m0025_audit;
mod m0026_deliver;
mod m0027_subscription;
mod m0028_synthetic;
mod m0029_inbound;
mod m0030_webhook;
mod m0031_proof;
mod m0032_lost;
mod m0033_pack;
mod m0034_garbage;
mod m0035_stored;

pub use fresh::{make, postgres};
pub use later::{LATER, Later, taken};

/// All steps, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_mirror::Migration),
            Box::new(m0002_server::Migration),
            Box::new(m0003_mend::Migration),
            Box::new(m0004_stamp::Migration),
            Box::new(m0005_credential::Migration),
            Box::new(m0006_owner::Migration),
            Box::new(m0007_spending::Migration),
            Box::new(m0008_feed::Migration),
            Box::new(m0009_packs::Migration),
            Box::new(m0010_names::Migration),
            Box::new(m0011_counts::Migration),
            Box::new(m0012_bodies::Migration),
            Box::new(m0013_refused::Migration),
            Box::new(m0014_derived::Migration),
            Box::new(m0015_contacts::Migration),
            Box::new(m0016_lists::Migration),
            Box::new(m0017_words::Migration),
            Box::new(m0018_views::Migration),
            Box::new(m0019_vocabulary::Migration),
            Box::new(m0020_newest_words::Migration),
            Box::new(m0021_waits::Migration),
            Box::new(m0022_asked::Migration),
            Box::new(m0023_left_out::Migration),
            Box::new(m0024_jobs::Migration),
            Box::new(m0025_audit::Migration),
            Box::new(m0026_deliver::Migration),
            Box::new(m0027_subscription::Migration),
            Box::new(m0028_synthetic::Migration),
            Box::new(m0029_inbound::Migration),
            Box::new(m0030_webhook::Migration),
            Box::new(m0031_proof::Migration),
            Box::new(m0032_lost::Migration),
            Box::new(m0033_pack::Migration),
            Box::new(m0034_garbage::Migration),
            Box::new(m0035_stored::Migration),
        ]
    }
}

//! What passes between the platform and its database.

use std::sync::Arc;

use kernel_storage::{StorageError, Store, StoreUrl};

use crate::bench::Bench;
use crate::server::Server;

#[tokio::test]
async fn dj_15_a_database_under_tls_is_believed_by_its_certificate_alone() {
    let Some(server) = Server::start().await else {
        return;
    };
    let Some(certificate) = server.secure().await else {
        return;
    };
    let at = |options: &str| StoreUrl::Postgres(format!("{}?{options}", server.url()));
    let file = certificate.display();
    let bench = Bench::at(at(&format!("sslmode=verify-full&sslrootcert={file}")));
    let store = bench.stocked().await;
    store.close().await;
    // Not with a certificate that nobody vouches for, nor in plain.
    for options in [
        "sslmode=verify-full",
        "sslmode=verify-ca",
        "sslmode=disable",
    ] {
        let refused = Store::open(&at(options), Arc::clone(&bench.keys)).await;
        assert!(refused.is_err(), "{options}");
    }
}

#[tokio::test]
async fn dj_15_a_database_elsewhere_is_not_even_asked_in_plain() {
    // An address for documentation (RFC 5737): nobody answers there.
    let elsewhere = Bench::at(StoreUrl::Postgres("postgres://a:b@192.0.2.1/x".into()));
    let refused = Store::open(&elsewhere.url, Arc::clone(&elsewhere.keys)).await;
    let Err(error) = refused else {
        panic!("the database is asked in plain");
    };
    assert!(matches!(error, StorageError::InPlain), "{error}");
    assert!(error.to_string().contains("sslmode=verify-full"), "{error}");
}

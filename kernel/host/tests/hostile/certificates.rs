//! A certificate is signed, found when a byte of it is flipped, and replayed to the same bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_crypto::keys::custody::{CustodianKey, Operation};
use kernel_host::Engines;
use kernel_host::models::certificate::{
    CERTIFICATE_DOCUMENT, Certificate, CertificateError, ModelIdentity, Output, ReadVersion, Signed,
};
use kernel_host::models::{Admitted, Pool};
use sdk_contract::model::{FeatureValue, encode_row};

use tests_guests::model::{ModelGuest, declaration};

fn keys(dir: &Path) -> KeyRing {
    KeyRing::open_or_create(dir, None).unwrap()
}

/// Scores a row and writes the certificate of it.
async fn certificate(pool: &Pool, model: &Arc<Admitted>) -> Certificate {
    let input = BTreeMap::from([
        ("x".to_owned(), FeatureValue::Number(1.25)),
        ("y".to_owned(), FeatureValue::Text("2.00".into())),
    ]);
    let row = encode_row(&model.def, &input).unwrap();
    let batch = pool.score(model, row, true).await.unwrap();
    Certificate {
        version: CERTIFICATE_DOCUMENT,
        id: "01930000-0000-7000-8000-00000000c001".into(),
        at: "2026-11-23T08:00:00.000000Z".into(),
        model: ModelIdentity {
            name: model.def.name.clone(),
            version: model.def.version.clone(),
            digest: model.digest.clone(),
        },
        recipient: "沪江银行".into(),
        subject: "01930000-0000-7000-8000-000000001001".into(),
        purpose: "01".into(),
        consent: "01930000-0000-7000-8000-00000000d001".into(),
        reference: "01930000-0000-7000-8000-00000000e001".into(),
        input,
        read: vec![ReadVersion {
            collection: "example.taxes".into(),
            id: "01930000-0000-7000-8000-00000000f001".into(),
            revision: 3,
        }],
        disputed: vec!["y".into()],
        output: Output {
            score: batch.scores[0],
            base: model.def.base,
            contributions: batch.contributions,
            fuel: batch.fuel,
        },
    }
}

struct Bench {
    pool: Pool,
    model: Arc<Admitted>,
    /// Keeps the clock of the sandbox going.
    _engines: Engines,
}

/// A sandbox of its own with the calm model in it, as another node would have it.
async fn bench() -> Bench {
    let engines = Engines::new().unwrap();
    let pool = Pool::new(engines.models.clone());
    let model = pool.admit(ModelGuest::calm().build()).await.unwrap();
    Bench {
        pool,
        model,
        _engines: engines,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn al_01_another_node_replays_a_stored_certificate_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let here = bench().await;
    let first = certificate(&here.pool, &here.model).await;
    assert_eq!(first.output.contributions, [2.5, 6.0]);
    let stored = serde_json::to_vec(&first.clone().sign(&keys).unwrap()).unwrap();

    let there = bench().await;
    let read: Signed = serde_json::from_slice(&stored).unwrap();
    read.verify(&keys).unwrap();
    read.replay(&there.pool, &there.model).await.unwrap();
    let again = certificate(&there.pool, &there.model).await;
    assert_eq!(again.bytes().unwrap(), first.bytes().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flipped_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let bench = bench().await;
    let signed = certificate(&bench.pool, &bench.model)
        .await
        .sign(&keys)
        .unwrap();
    let stored = serde_json::to_vec(&signed).unwrap();
    for at in 0..stored.len() {
        // One turns a digit into its neighbour, the other a letter into its other case.
        for mask in [0x01, 0x20] {
            let mut flipped = stored.clone();
            flipped[at] ^= mask;
            let passes =
                serde_json::from_slice::<Signed>(&flipped).is_ok_and(|s| s.verify(&keys).is_ok());
            assert!(
                !passes,
                "byte {at} ^ {mask}: {}",
                String::from_utf8_lossy(&flipped)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_added_to_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let bench = bench().await;
    let signed = certificate(&bench.pool, &bench.model)
        .await
        .sign(&keys)
        .unwrap();
    let whole = serde_json::to_value(&signed).unwrap();
    for place in [
        "",
        "/certificate",
        "/certificate/model",
        "/certificate/output",
        "/certificate/read/0",
    ] {
        let mut more = whole.clone();
        more.pointer_mut(place).unwrap()["remark"] = "利率已批准".into();
        let passes = serde_json::from_value::<Signed>(more).is_ok_and(|s| s.verify(&keys).is_ok());
        assert!(!passes, "at {place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_did_not_sign_it() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bench = bench().await;
    let signed = certificate(&bench.pool, &bench.model)
        .await
        .sign(&keys(one.path()))
        .unwrap();
    let error = signed.verify(&keys(two.path())).unwrap_err();
    assert!(matches!(error, CertificateError::Signature), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invented_output_does_not_replay() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let bench = bench().await;
    let honest = certificate(&bench.pool, &bench.model).await;
    for invent in [
        |o: &mut Output| o.score += 1e-9,
        |o: &mut Output| o.base += 1.0,
        |o: &mut Output| o.contributions.swap(0, 1),
        |o: &mut Output| o.fuel += 1,
    ] {
        let mut lie = honest.clone();
        invent(&mut lie.output);
        // Even with the platform's own signature.
        let error = lie
            .sign(&keys)
            .unwrap()
            .replay(&bench.pool, &bench.model)
            .await
            .unwrap_err();
        assert!(
            matches!(error, CertificateError::Differs { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_component_does_not_replay_it() {
    let dir = tempfile::tempdir().unwrap();
    let bench = bench().await;
    let signed = certificate(&bench.pool, &bench.model)
        .await
        .sign(&keys(dir.path()))
        .unwrap();
    let mut twin = declaration();
    twin["version"] = "1.0.1".into();
    let twin = bench
        .pool
        .admit(ModelGuest::calm().declares(twin.to_string()).build())
        .await
        .unwrap();
    let error = signed.replay(&bench.pool, &twin).await.unwrap_err();
    assert!(
        matches!(error, CertificateError::OtherModel { .. }),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_names_its_key_and_holds_after_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(&dir.path().join("keys"));
    let bench = bench().await;
    let certificate = certificate(&bench.pool, &bench.model).await;
    let before = certificate.clone().sign(&keys).unwrap();
    let person = |name: &str| {
        let file = dir.path().join(name);
        let key = CustodianKey::create(&file, name, "three quiet herons").unwrap();
        keys.found(key.custodian().unwrap()).unwrap();
        key
    };
    let (lin, qiao) = (person("lin"), person("qiao"));
    let key = "certificate".into();
    let request = keys.request(Operation::Rotate { key }, &lin, 0).unwrap();
    let approval = keys.approve(&request.id, &qiao, 0).unwrap();
    keys.execute(approval, 0).unwrap();

    let after = certificate.sign(&keys).unwrap();
    assert_ne!(before.key, after.key);
    before.verify(&keys).unwrap();
    after.verify(&keys).unwrap();
    let crossed = Signed {
        key: after.key,
        ..before.clone()
    };
    assert!(crossed.verify(&keys).is_err(), "signed by another key");
    // As the first release wrote them.
    let unnamed = Signed {
        key: None,
        ..before
    };
    unnamed.verify(&keys).unwrap();
}

/// What was issued before certificates named records holds, and cannot be given any.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_without_records_holds_as_it_was_issued() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path());
    let bench = bench().await;
    let mut old = certificate(&bench.pool, &bench.model).await;
    let read = std::mem::take(&mut old.read);
    old.disputed.clear();
    old.version = 1;
    let written = String::from_utf8(old.bytes().unwrap()).unwrap();
    assert!(!written.contains("\"read\"") && !written.contains("\"disputed\""));
    let mut signed = old.sign(&keys).unwrap();
    signed.verify(&keys).unwrap();
    signed.replay(&bench.pool, &bench.model).await.unwrap();
    signed.certificate.read = read;
    assert!(signed.verify(&keys).is_err());
}

//! Code is compiled once and loaded afterwards, and never loaded when it is not what was compiled.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kernel_crypto::keys::KeyRing;
use kernel_host::models::Pool;
use kernel_host::{Act, CodeCounts, Engines, KeptCode};
use kernel_identity::principal::Principal;
use serde_json::json;

use crate::stage::Stage;
use crate::support::{TestHost, person, usual};
use tests_guests::model::ModelGuest;

const LOADED: CodeCounts = counts(1, 0, 0);
const COMPILED: CodeCounts = counts(0, 1, 0);

const fn counts(loaded: u64, compiled: u64, refused: u64) -> CodeCounts {
    CodeCounts {
        loaded,
        compiled,
        refused,
    }
}

/// One deployment's keys and kept code.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn kept(&self) -> Arc<KeptCode> {
        self.kept_in(&self.0.path().join("code"))
    }

    fn kept_in(&self, folder: &Path) -> Arc<KeptCode> {
        let keys = KeyRing::open_or_create(&self.0.path().join("keys"), None).unwrap();
        Arc::new(KeptCode::open(folder, Arc::new(keys)).unwrap())
    }

    /// The only file of code there is.
    fn file(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.0.path().join("code")).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

/// Starts a host with one plugin, which must be served; says where its code came from.
async fn serves(kept: Arc<KeptCode>) -> CodeCounts {
    let stage = Stage::on(Engines::keeping(Arc::clone(&kept)).unwrap(), &[]).await;
    stage.calm_is_served().await;
    kept.counts()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_loads_what_the_first_compiled() {
    let place = Place::new();
    assert_eq!(serves(place.kept()).await, COMPILED);
    assert_eq!(serves(place.kept()).await, LOADED);
}

#[tokio::test(flavor = "multi_thread")]
async fn mm_3f_changed_code_is_compiled_again_and_replaced() {
    let place = Place::new();
    serves(place.kept()).await;
    let mut bytes = std::fs::read(place.file()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(place.file(), bytes).unwrap();
    assert_eq!(serves(place.kept()).await, counts(0, 1, 1));
    assert_eq!(serves(place.kept()).await, LOADED);
}

#[tokio::test(flavor = "multi_thread")]
async fn mm_3f_code_of_another_deployment_is_not_loaded() {
    let (ours, theirs) = (Place::new(), Place::new());
    let folder = ours.0.path().join("code");
    let both = || async { tokio::join!(serves(ours.kept()), serves(theirs.kept_in(&folder))) };
    assert_eq!(
        Box::pin(both()).await,
        (COMPILED, COMPILED),
        "at the same time"
    );
    assert_eq!(Box::pin(both()).await, (LOADED, LOADED), "each its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_one_deployment_share_a_folder() {
    let place = Place::new();
    let (one, two) = tokio::join!(serves(place.kept()), serves(place.kept()));
    for node in [one, two] {
        assert_eq!((node.loaded + node.compiled, node.refused), (1, 0));
    }
    assert_eq!(serves(place.kept()).await, LOADED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_code_is_kept_too() {
    let place = Place::new();
    for expected in [COMPILED, LOADED] {
        let kept = place.kept();
        let engines = Engines::keeping(Arc::clone(&kept)).unwrap();
        let pool = Pool::new(engines.models.clone());
        let model = pool.admit(ModelGuest::calm().build()).await.unwrap();
        let batch = pool.score(&model, vec![1.0, 2.0], true).await.unwrap();
        assert_eq!(
            (batch.scores, kept.counts()),
            (vec![608.0], expected),
            "a loaded model scores as the compiled one"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_models_are_ready_after_a_start() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let plugins = tempfile::tempdir().unwrap();
    let start = || {
        TestHost::start(
            usual(),
            None,
            Arc::clone(&data),
            plugins.path(),
            Engines::new().unwrap(),
        )
    };
    let staff = |role: &str, user: &str| Principal {
        user: Some(user.into()),
        organisation: Some("01930000-0000-7000-8000-000000000101".into()),
        organisation_name: "沪江银行".into(),
        organisations: vec!["01930000-0000-7000-8000-000000000101".into()],
        ..person(role)
    };
    let developer = staff("model.developer", "01930000-0000-7000-8000-00000000f002");
    let validator = staff("model.validator", "01930000-0000-7000-8000-00000000f003");
    let act = |action: &str, id: Option<String>, input| Act {
        module: "console".into(),
        action: action.into(),
        id,
        input,
        ..Act::default()
    };

    let first = start().await.host;
    let wasm = ModelGuest::calm().build();
    let digest = kernel_crypto::sm3::digest(&wasm).to_string();
    let file = first.store_upload(&developer, "calm.wasm", wasm).await;
    let upload = act("model.upload", None, json!({ "file": file.unwrap() }));
    let uploaded = first.act(&developer, upload).await.unwrap();
    let id = uploaded.result["id"].as_str().map(str::to_owned);
    let until = first.clock().now().local_date().plus_days(90);
    let validation = json!({
        "data": "样本", "findings": "复算一致", "conclusion": "conditional", "valid_until": until,
    });
    let validate = act("model.validate", id.clone(), validation);
    first.act(&validator, validate).await.unwrap();
    let approve = act("model.approve", id, json!({ "reason": "样例一致" }));
    first.act(&validator, approve).await.unwrap();
    first.store().close().await;

    let second = start().await.host;
    let ready = async {
        while second.models().ready(&digest).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), ready).await;
    assert!(waited.is_ok(), "nobody asked, and the model is there");
}

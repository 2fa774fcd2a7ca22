use super::*;

fn platform() -> ModuleDef {
    let mut module = kernel_identity::module::definition();
    module.actions.push(ActionDef {
        name: "user.suspend".into(),
        label: sdk_contract::def::Label::new("停用", "Suspend"),
        help: String::new(),
        collection: "users".into(),
        record: true,
        permission: "user.read".into(),
        step_up: true,
        signed: true,
        purpose: None,
        input: Vec::new(),
    });
    module
}

#[test]
fn every_collection_and_action_has_its_path() {
    let module = platform();
    let doc = document("融桥", "0.1.0", [&module].into_iter());
    assert_eq!(doc["openapi"], "3.1.0");
    for path in ["/api/v1/platform/users", "/api/v1/platform/users/{id}"] {
        assert!(
            doc["paths"][path]["get"]["responses"]["default"].is_object(),
            "{path}"
        );
    }
    let suspend = &doc["paths"]["/api/v1/platform/users/{id}/suspend"]["post"];
    assert_eq!(suspend["operationId"], "platform.user.suspend");
    assert_eq!(suspend["security"][0]["csrf"], json!([]));
    assert_eq!(suspend["parameters"][0]["name"], "id");
    let parameters = suspend["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|p| p["name"] == "X-Signature"));
    let signatures = "/api/v1/platform/users/{id}/signatures";
    let answer = &doc["paths"][signatures]["get"]["responses"]["200"];
    assert!(answer.is_object(), "of what is signed");
    assert!(doc["components"]["schemas"]["Problem"]["properties"]["errors"].is_object());
}

#[test]
fn every_guarded_operation_takes_a_signature_too() {
    let module = platform();
    let doc = document("融桥", "0.1.0", [&module].into_iter());
    let schemes = &doc["components"]["securitySchemes"];
    for operation in [
        &doc["paths"]["/api/v1/platform/users"]["get"],
        &doc["paths"]["/api/v1/platform/users/{id}/suspend"]["post"],
        &doc["paths"]["/api/v1/files"]["post"],
    ] {
        let signed = operation["security"][1].as_object().unwrap();
        assert_eq!(signed.len(), 3, "{operation}");
        assert!(signed.keys().all(|name| schemes[name].is_object()));
    }
}

#[test]
fn schemas_say_what_the_wire_carries() {
    let module = platform();
    let doc = document("融桥", "0.1.0", [&module].into_iter());
    let user = &doc["components"]["schemas"]["platform.user"];
    assert_eq!(user["properties"]["active"]["type"], "boolean");
    assert_eq!(
        user["required"],
        json!(["name", "login", "roles", "active", "password"])
    );
    let session = &doc["components"]["schemas"]["platform.session"]["properties"];
    assert_eq!(session["user"]["x-refers-to"], "platform.users");
    assert_eq!(session["expires_at"]["format"], "date-time");
    assert_eq!(session["ended_at"]["type"], json!(["string", "null"]));
    assert_eq!(session["expires_at"]["type"], "string");
}

#[test]
fn encrypted_and_masked_fields_are_no_parameters() {
    let module = platform();
    let doc = document("融桥", "0.1.0", [&module].into_iter());
    let parameters = doc["paths"]["/api/v1/platform/users"]["get"]["parameters"]
        .as_array()
        .unwrap();
    let names: Vec<&str> = parameters
        .iter()
        .filter_map(|p| p["name"].as_str())
        .collect();
    assert!(names.contains(&"login") && !names.contains(&"password") && !names.contains(&"roles"));
}

#[test]
fn what_anyone_may_read_needs_no_sign_in() {
    let mut module = platform();
    let doc = document("融桥", "0.1.0", [&module].into_iter());
    let ways = |doc: &Value| {
        let list = &doc["paths"]["/api/v1/platform/organisations"]["get"];
        list["security"].as_array().unwrap().clone()
    };
    assert!(!ways(&doc).contains(&json!({})));
    let read = module
        .permissions
        .iter_mut()
        .find(|p| p.name == "organisation.read")
        .unwrap();
    read.grants[0].role = ANYONE.into();
    let doc = document("融桥", "0.1.0", [&module].into_iter());
    assert!(ways(&doc).contains(&json!({})));
}

#[test]
fn every_reference_leads_somewhere() {
    let module = platform();
    let doc = document("融桥", "0.1.0", [&module].into_iter());
    let text = doc.to_string();
    for part in text.split("\"$ref\":\"#/").skip(1) {
        let path = part.split('"').next().unwrap();
        assert!(doc.pointer(&format!("/{path}")).is_some(), "{path}");
    }
}

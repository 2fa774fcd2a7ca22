use super::*;
use crate::disclosure::Denial;
use crate::error::{Fault, FaultKind};

#[test]
fn the_tables_are_in_order_and_name_nothing_twice() {
    assert!(CODES.is_sorted_by(|a, b| a.code < b.code));
    assert!(PEOPLE_CODES.is_sorted_by(|a, b| a.code < b.code));
    assert!(
        PEOPLE_CODES
            .iter()
            .all(|row| CODES.iter().all(|other| other.code != row.code))
    );
    assert!(FIELD_CODES.is_sorted_by(|a, b| a.code < b.code));
}

#[test]
fn every_refusal_to_read_a_subjects_data_is_in_the_table() {
    for denial in Denial::ALL {
        let fault = denial.fault();
        let row = of(&fault.code);
        assert_eq!(
            row.map(|c| c.statuses),
            Some([fault.kind.status()].as_slice()),
            "{}",
            fault.code
        );
    }
}

#[test]
fn the_faults_that_every_call_knows_are_in_the_table() {
    for fault in [
        Fault::not_found(),
        Fault::forbidden(""),
        Fault::invalid(Vec::new()),
        Fault::internal(""),
    ] {
        let row = of(&fault.code).unwrap();
        assert!(row.statuses.contains(&fault.kind.status()), "{}", row.code);
    }
    assert_eq!(FaultKind::Refused.status(), 422);
}

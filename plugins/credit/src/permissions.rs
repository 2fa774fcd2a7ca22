//! Who may, by default: a subject its own data. Whoever checks data for the unit that it comes from finds
//! that unit's records, without the figures, and corrects the one whose dispute is theirs.

sdk::permissions! {
    /// 查询数据记录.
    READ = "tax-record.read", "Find data records": {
        "enterprise.owner": own, "source.officer": organisation, "source.lead": organisation
    };
    /// 查看数据的内容.
    REVEAL = "tax-record.reveal", "Read the data": { "enterprise.owner": own };
    /// 查看本企业数据页.
    MINE = "tax-record.mine", "See one's own data": { "enterprise.owner": own };
    /// 更正数据.
    CORRECT = "tax-record.correct", "Correct data": {
        "source.officer": organisation, "source.lead": organisation
    };
}

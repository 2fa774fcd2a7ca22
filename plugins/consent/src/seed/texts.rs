//! Texts of the templates that the platform comes with. Their digests stand beside them in the seed.

pub(crate) const APPLYING: &str = "\
## 企业数据授权书

授权书编号：{number}

授权企业：{grantor}（统一社会信用代码 {uscc}）

被授权机构：{recipient}

授权企业同意平台向被授权机构提供下列数据：
{items}

用途：{purposes}。被授权机构不得用于其他用途，不得再提供给第三方。

有效期：{valid_from} 至 {valid_to}，{uses}。授权企业可随时撤回；撤回前已依法使用的数据，记录予以保留。

本授权不包括法定代表人及其他个人的信用信息。

签署人：{signer}　签署时间：{signed_at}";

pub(crate) const MONITORING: &str = "\
## 企业贷后管理数据授权书

授权书编号：{number}

授权企业：{grantor}（统一社会信用代码 {uscc}）

被授权机构：{recipient}

授权企业与被授权机构存在未结清的融资。授权企业同意，在融资结清之前，平台向被授权机构提供下列数据：
{items}

用途：{purposes}。被授权机构不得用于其他用途，不得再提供给第三方；融资结清后不得再读取。

有效期：{valid_from} 至 {valid_to}，{uses}。授权企业可随时撤回；撤回前已依法使用的数据，记录予以保留。

本授权不包括法定代表人及其他个人的信用信息。

签署人：{signer}　签署时间：{signed_at}";

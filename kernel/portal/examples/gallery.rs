//! Writes sample pages to a folder, for eyes and screenshots:
//! `cargo run -p kernel-portal --example gallery -- FOLDER`.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, io};

use kernel_portal::assets::{self, Assets};
use kernel_portal::{
    ErrorScreen, LoginScreen, MenuItem, SearchBox, Site, Toast, UserView, ViewContext, error_page,
    login_page, render,
};
use sdk_contract::def::Area;
use sdk_contract::error::FieldFault;
use sdk_contract::page::{Link, Page, Shell, Tone};

#[path = "gallery/bench.rs"]
mod bench;
#[path = "gallery/pages.rs"]
mod pages;

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).unwrap_or_else(|| "gallery".into());
    let folder = Path::new(&folder);
    fs::create_dir_all(folder.join("assets"))?;
    let assets = Assets::embedded();
    for address in [
        &assets.styles,
        &assets.script,
        &assets.icons,
        &assets.favicon,
    ] {
        let name = address.trim_start_matches("/assets/");
        if let Some(file) = assets::file(name) {
            fs::write(folder.join("assets").join(name), file.bytes)?;
        }
    }
    let shots: [(&str, Page, &str); 6] = [
        ("home", pages::home(), "/"),
        ("market", pages::market(), "/market/products"),
        ("apply", pages::apply(), "/lending/apply"),
        ("queue", bench::queue(), "/lending/queue"),
        ("detail", bench::detail(), "/lending/applications/SQ10"),
        ("model", bench::model(), "/credit/models/m1"),
    ];
    for (name, page, path) in shots {
        sdk_contract::page::check(&page).map_err(io::Error::other)?;
        let mut ctx = context(page.shell, path);
        fs::write(folder.join(format!("{name}.html")), render(&page, &ctx))?;
        ctx.care = true;
        ctx.locale = "en".into();
        fs::write(
            folder.join(format!("{name}-care.html")),
            render(&page, &ctx),
        )?;
    }
    let mut ctx = context(Shell::Portal, "/lending/apply");
    ctx.typed = Some(BTreeMap::from([
        ("_form".to_owned(), vec!["apply".to_owned()]),
        ("amount".to_owned(), vec!["99999".to_owned()]),
        ("purpose".to_owned(), vec!["采购原材料".to_owned()]),
    ]));
    ctx.faults = vec![
        FieldFault::new("amount", "too-large", "不得大于 1000 万元"),
        FieldFault::new("guarantee", "required", "请选择担保方式"),
        FieldFault::new("agree", "required", "请阅读并勾选同意后再提交"),
    ];
    ctx.toast = Some(Toast {
        tone: Tone::Danger,
        text: "有 3 处需要修改".into(),
    });
    fs::write(
        folder.join("apply-faults.html"),
        render(&pages::apply(), &ctx),
    )?;
    ctx = ViewContext {
        user: None,
        ..context(Shell::Plain, "/login")
    };
    let login = LoginScreen {
        message: Some("用户名或密码不正确，还可再试 4 次。"),
        next: "/lending/apply",
        ..LoginScreen::default()
    };
    fs::write(folder.join("login.html"), login_page(&login, &ctx))?;
    let error = ErrorScreen {
        status: 404,
        title: "没有找到这个页面",
        what: "链接可能已经失效，或者您没有查看它的权限。",
        what_to_do: "请返回首页，从菜单进入；如果是别人发来的链接，请与对方核对。",
        sent: false,
        request: "01JD-7F3K",
    };
    fs::write(
        folder.join("error.html"),
        error_page(&error, &context(Shell::Portal, "/x")),
    )
}

fn context(shell: Shell, path: &str) -> ViewContext {
    let item = |title: &str, to: &str, icon: &str, area: Area| MenuItem {
        title: title.into(),
        path: to.into(),
        icon: icon.into(),
        active: to == path,
        area,
    };
    let bench = shell == Shell::Bench;
    let (name, organisation, role) = if bench {
        ("李审批", "沪江银行 · 徐汇支行", "授信审批岗")
    } else {
        ("上海沪翼科技", "上海沪翼科技有限公司", "企业经办")
    };
    ViewContext {
        site: Site {
            name: "融桥融资服务平台".into(),
            subtitle: "城市中小企业融资综合服务 · 示例站".into(),
            mark: "融".into(),
            benches: [("institution".to_owned(), "金融机构工作台".into())].into(),
            above: vec![
                Link::new("市人民政府", "/about/city"),
                Link::new("一网通办", "/about/services"),
            ],
            below: vec![
                Link::new("关于我们", "/about"),
                Link::new("隐私政策", "/about/privacy"),
            ],
            sponsor: "示例市发展和改革委员会".into(),
            operator: "示例市公共信用信息服务中心".into(),
            hotline: "00000".into(),
            codes: vec![
                "网站标识码 0000000000".into(),
                "ICP备00000000号".into(),
                "公网安备 00000000000000号".into(),
            ],
            search: Some(SearchBox {
                to: "/market/products".into(),
                hint: "搜产品、政策、机构".into(),
            }),
        },
        user: Some(UserView {
            posts: Vec::new(),
            name: name.into(),
            organisation: organisation.into(),
            kind: "institution".into(),
            role: role.into(),
        }),
        menu: vec![
            item("融资服务", "/market/products", "coin", Area::Services),
            item("一键测额", "/lending/quota", "calculator", Area::Services),
            item("我的申请", "/lending/apply", "file-text", Area::Me),
            item(
                "数据授权",
                "/consent/authorizations",
                "shield-check",
                Area::Me,
            ),
            item("工作台", "/lending/queue", "clipboard-list", Area::Bench),
            item("产品管理", "/market/manage", "shopping-cart", Area::Bench),
            item("评分模型", "/credit/models/m1", "brain", Area::Bench),
            item("数据分析", "/lending/analysis", "chart-bar", Area::Bench),
        ]
        .into_iter()
        .filter(|m| bench || m.area != Area::Bench)
        .collect(),
        csrf: "csrf-token".into(),
        key: "key-1".into(),
        path: path.into(),
        locale: "zh-CN".into(),
        now: 1_795_510_000_000_000,
        assets: Assets::embedded(),
        ..ViewContext::default()
    }
}

"""The board in other languages than English."""

from playwright.sync_api import Page, expect

from tests.board.test_quality import FITS
from tests.support.board import EMAIL, PASSWORD, PHONE, Board
from tests.support.worker import wait_until

OTHER_EMAIL = "luz@billor.example"


def log_in_in_spanish(page: Page, email: str = EMAIL, password: str = PASSWORD) -> None:
    page.get_by_label("Correo electrónico").fill(email)
    page.get_by_label("Contraseña").fill(password)
    page.get_by_role("button", name="Iniciar sesión").click()


def expect_language(board: Board, language: str, text: str) -> None:
    expect(board.page.get_by_role("button", name=text)).to_be_visible()
    expect(board.page.locator("html")).to_have_attribute("lang", language)


def test_a_dispatcher_works_in_the_browsers_language_or_in_the_one_they_chose(billor, open_board):
    alex, brianna = billor.make_drivers("Alex Carter", "Brianna Lopez")
    billor.make_user("Luz", OTHER_EMAIL)
    board = open_board(email=None, locale="es-MX")
    page, dialog = board.page, board.page.get_by_role("dialog")
    log_in_in_spanish(page, password="wrong-password")
    expect(page.get_by_role("alert")).to_contain_text("no son correctos")
    assert board.axe_violations() == []
    log_in_in_spanish(page)
    expect_language(board, "es", "Nueva carga")
    page.get_by_role("button", name="Nueva carga").click()
    for label in ("Origen", "Destino", "Tipo de carga"):
        dialog.get_by_role("button", name="Crear carga").click()
        expect(dialog.get_by_label(label)).to_have_accessible_description("Completa este campo.")
        dialog.get_by_label(label).fill("Laredo, TX")
    dialog.get_by_role("button", name="Crear carga").click()
    waiting = page.get_by_role("list", name="Cargas en espera").get_by_role("listitem")
    expect(waiting).to_have_count(1)
    (load,) = billor.client.get("/loads").body
    free = page.get_by_role("list", name="Choferes libres").get_by_role("listitem")
    other = billor.client.make_load()
    board.before_request("/assignments", "POST", lambda: billor.client.assign(alex, other))
    waiting.first.get_by_role("button").click()
    free.filter(has_text="Alex Carter").get_by_role("button").click()
    expect(page.locator(".trouble")).to_contain_text("El chofer tiene una carga activa.")
    expect(page.locator(".trouble")).to_contain_text(f"Alex Carter: carga {other['id']}")
    waiting.first.get_by_role("button").first.click()
    free.filter(has_text="Brianna Lopez").get_by_role("button").click()
    expect(page.get_by_text(f"Carga {load['id']} asignada a Brianna Lopez.")).to_have_count(2)
    plan = {"driverId": brianna["id"], "loadId": billor.client.make_load()["id"], "plan": True}
    assert billor.client.post("/assignments", plan).status == 201
    billor.client.patch(f"/drivers/{brianna['id']}", {"status": "INACTIVE"})
    page.get_by_role("button", name=f"Completar la carga {load['id']}").click()
    dialog.get_by_role("button", name="Completar").click()
    expect(page.locator(".toast").last).to_contain_text("planificada: Este chofer no está activo.")
    page.goto(f"{billor.url}/board#/loads/{load['id']}")
    expect(page.locator(".timeline")).to_contain_text(
        "Dana Dispatcher asignó la carga a Brianna Lopez."
    )

    page.get_by_role("button", name="Cuenta de Dana Dispatcher").click()
    page.get_by_role("menuitem", name="English").click()
    expect_language(board, "en", "New load")
    page.get_by_role("button", name="Account of Dana Dispatcher").click()
    page.get_by_role("menuitem", name="Log out", exact=True).click()
    log_in_in_spanish(page, OTHER_EMAIL)
    expect_language(board, "es", "Nueva carga")
    page.get_by_role("button", name="Cuenta de Luz").click()
    page.get_by_role("menuitem", name="Cerrar sesión").click()
    log_in_in_spanish(page)
    expect_language(board, "en", "New load")


def test_dates_follow_the_language_and_its_words_fit_a_phone(billor, open_board):
    billor.make_drivers("Alex Carter")
    billor.client.make_load(deliverBy="2031-07-04T13:30:00Z")
    board = open_board(**PHONE)
    board.page.get_by_role("button", name="Account of").tap()
    board.page.get_by_role("menuitem", name="Português").tap()
    waiting = board.page.get_by_role("list", name="Cargas aguardando").get_by_role("listitem")
    expect(waiting).to_contain_text("até 4 de jul. de 2031, 08:30 GMT-5")
    assert board.axe_violations() == []
    for path in ("?show=finished", "#/drivers", "#/stats"):
        board.page.goto(f"{billor.url}/board{path}")
        expect(board.page.locator("html")).to_have_attribute("lang", "pt-BR")
        board.page.set_viewport_size({"width": 320, "height": 700})
        wait_until(lambda: board.page.evaluate(FITS))

"""The script beside the formgrader's page of a submission: panels with schemes, and the keys for them.

Staff's texts come drawn from the server; whatever a student or a TA has typed becomes text, never markup.
"""

import json

from proctor.plugin.at_once_script import PROGRAM
from proctor.plugin.marking_style import STYLE

_PROGRAM = """
(function () {
"use strict";
var one = proctor_marking.cell || null;
// For comments given before.
var LETTERS = "qwertyuio", panels = {}, waiting = Promise.resolve(), failed = false;
var base = base_url + "/mark/" + [assignment_id, notebook_id].map(encodeURIComponent).join("/") + "/";

function address(cell, where) {
  return base + encodeURIComponent(cell) + "/" + (where === "first" ? "" : submission_id + "/" + where);
}
function make(name, attributes, children) {
  var made = document.createElement(name);
  Object.keys(attributes || {}).forEach(function (key) {
    if (key === "text") { made.textContent = attributes[key]; }
    // Only what the server has drawn of the staff's own notebook.
    else if (key === "staff") { made.innerHTML = attributes[key]; }
    else { made.setAttribute(key, attributes[key]); }
  });
  (children || []).forEach(function (child) { if (child) { made.appendChild(child); } });
  return made;
}
function ask(method, url, body) {
  return fetch(url, {
    method: method, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
    headers: {"X-XSRFToken": getCookie("_xsrf") || "", "Content-Type": "application/json"}
  }).then(function (answer) {
    return answer.text().then(function (text) {
      var found = {};
      try { found = JSON.parse(text); } catch (error) { /* said below */ }
      if (!answer.ok) {
        var error = new Error(found.error || found.message || "the server said " + answer.status);
        throw Object.assign(error, {found: found});
      }
      return found;
    });
  });
}
// What was opened or folded stays so for the next answers of the same question.
function remembered(made, name, open) {
  var key = "proctor-" + [assignment_id, notebook_id, name].join("/"), known = sessionStorage.getItem(key);
  made.open = known === null ? open : known === "open";
  made.addEventListener("toggle", function () { sessionStorage.setItem(key, made.open ? "open" : "folded"); });
  return made;
}
function folded(title, html, open, cell) {
  if (!html) { return null; }
  var inside = make("div", {"class": "rendered_html", staff: html});
  var made = make("details", {}, [make("summary", {text: title}), inside]);
  return remembered(made, cell + "/" + title, open);
}

function Panel(cell, data) {
  this.cell = cell;
  this.data = data;
  this.given = data.given;
  this.choices = data.choices;
  this.buttons = [];
  this.field = document.getElementById(cell);
  this.extra = document.getElementById(cell + "_extra_credit");
  this.comment = document.getElementById(cell + "-comment");
  this.place = this.field && $(this.field).parents(".cell").get(0);
}
Panel.prototype.draw = function () {
  var data = this.data, that = this, over = data.limit !== null && data.words > data.limit;
  var words = data.words + (data.words === 1 ? " word" : " words");
  words += data.limit === null ? "" : over ? ", over the limit of " + data.limit : " of at most " + data.limit;
  this.element = make("section", {"class": "proctor-marking", "aria-label": "Marking of " + this.cell}, [
    make("div", {"class": "head"}, [
      make("span", {"class": "words" + (over ? " over" : ""), text: words,
        title: "formulas, and what stood in the cell before, are not counted"}),
      make("a", {href: one ? base : address(this.cell, "first"), text: data.marked + " of " + data.all + " marked"
        + (one ? "" : ": this question for all")})
    ]),
    folded("Question", data.context, false, this.cell),
    folded("Model answer", data.model, true, this.cell)
  ]);
  if (data.bonus !== null) {
    this.element.appendChild(make("p", {"class": "bonus", text: "A bonus of at most " + data.bonus + ": the items go "
      + "into the field extra credit, and the score itself is 0, so that the course's maximum stays. By hand: 0 as the "
      + "score, and the bonus in extra credit."}));
  }
  data.problems.forEach(function (text) {
    that.element.appendChild(make("p", {"class": "alert alert-danger problems", text: text}));
  });
  if (data.changed) { this.element.appendChild(this.again()); }
  data.items.forEach(function (item, number) {
    that.element.appendChild(that.button(item, number, null, -1));
    item.lines.forEach(function (line, at) { that.element.appendChild(that.button(item, number, line, at)); });
  });
  if (data.notes.length) {
    this.element.appendChild(make("ul", {"class": "notes"}, data.notes.map(function (html) {
      return make("li", {staff: html});
    })));
  }
  if (data.anchors.length) {
    var anchors = make("details", {"class": "anchors"}, [make("summary", {text: "Anchor answers"})]);
    data.anchors.forEach(function (anchor) {
      anchors.appendChild(make("div", {}, [make("b", {text: anchor.of}), make("div", {staff: anchor.html})]));
    });
    this.element.appendChild(remembered(anchors, this.cell + "/anchors", false));
  }
  if (data.comments.length) {
    this.element.appendChild(make("details", {"class": "offered"}, [make("summary", {text: "Comments given before"})]
      .concat(data.comments.map(function (text, number) {
        var made = make("button", {type: "button", "class": "btn btn-default btn-xs"},
          [make("kbd", {text: LETTERS[number]}), document.createTextNode(" " + text)]);
        made.onclick = function () { that.offer(number); };
        return made;
      }))));
    this.element.lastChild.open = true;
  }
  this.said = make("div", {"class": "said", role: "status"});
  this.element.appendChild(this.said);
  this.element.appendChild(make("small", {text: one
    ? "1–9 an item, Shift+1–9 the lines below it, 0 nothing of it, n next, p previous, c comment, s score, "
      + "m model answer, a anchors; Esc leaves a field"
    : "Esc leaves a field; then 1–9 an item, Shift+1–9 the lines below it, 0 nothing of it"}));
  this.element.onclick = function () { choose(that); };
  if (one) { document.body.appendChild(this.element); }
  else { this.place.parentNode.insertBefore(this.element, this.place); }
  this.show();
  if (data.open) { this.say(data.open + " has this answer open, too."); }
  else if (data.typed) { this.say("The score was typed by hand; an item replaces it."); }
};
Panel.prototype.button = function (item, number, line, at) {
  var that = this, shown = line || item, key = number > 8 ? "" : (line ? "⇧" : "") + (number + 1);
  var made = make("button", {type: "button", "class": "item" + (line ? " line" : "")
    + (item.points[0] === "−" ? " deduction" : ""), tabindex: "-1"}, [
    key ? make("kbd", {text: key}) : null,
    make("span", {"class": "points", text: shown.points}), make("div", {staff: shown.html})]);
  made.onclick = function () { that.toggle(number, at); };
  this.buttons.push({made: made, key: item.key, line: line ? line.key : ""});
  return made;
};
Panel.prototype.show = function () {
  var given = this.given || {};
  this.buttons.forEach(function (one) { one.made.setAttribute("aria-pressed", given[one.key] === one.line); });
};
Panel.prototype.toggle = function (number, at) {
  var item = this.data.items[number], given = Object.assign({}, this.given || {});
  if (!item) { return; }
  var wanted = at < 0 ? "" : item.lines[at].key;
  if (given[item.key] === wanted) { delete given[item.key]; } else { given[item.key] = wanted; }
  this.put(Object.keys(given).length ? given : null);
};
// Shift and the number of an item: the first line below it, the next one, and after the last none.
Panel.prototype.turn = function (number) {
  var item = this.data.items[number], given = this.given || {};
  if (!item || !item.lines.length) { return; }
  var keys = item.lines.map(function (line) { return line.key; }), now = given[item.key];
  var at = now === undefined || now === "" ? 0 : keys.indexOf(now) + 1;
  this.toggle(number, at < keys.length ? at : keys.length - 1);
};
Panel.prototype.put = function (items) {
  var that = this, before = conflicts;
  this.given = items;
  this.show();
  // One after the other: the last key is the one that counts, unless somebody else was there before one of them.
  waiting = waiting.then(function () {
    if (conflicts !== before) { return null; }
    var body = {cell: that.cell, items: items, proctor_seen: that.seen()};
    return ask("PUT", base_url + "/api/marking/" + submission_id, body);
  }).then(function (found) {
    if (!found) { return; }
    failed = false;
    that.choices = found.choices;
    that.update(found);
    var grade = found.grade, bonus = that.data.bonus;
    var points = bonus === null ? grade.manual_score : grade.extra_credit;
    that.say(points === null ? "Not marked" : points + " of " + (bonus === null ? grade.max_score : bonus));
  }).catch(function (error) {
    if (error.found && error.found.grade) { that.refuse(error.found, error.message); return; }
    failed = true;
    that.say("Not saved: " + error.message);
  });
};
Panel.prototype.update = function (found) {
  [[formgrader.grades, found.grade], [formgrader.comments, found.comment]].forEach(function (pair) {
    var model = pair[0] && pair[0].get(pair[1].id);
    if (model) { model.set(pair[1]); model.look(); }
  });
  if (this.comment && window.autosize) { autosize.update(this.comment); }
};
Panel.prototype.offer = function (number) {
  var text = this.data.comments[number];
  if (text === undefined || !this.comment || this.comment.value.indexOf(text) >= 0) { return; }
  var that = this;
  // After what is on its way: the words of items come first.
  waiting = waiting.then(function () {
    that.comment.value = (that.comment.value ? that.comment.value.replace(/\\n*$/, "") + "\\n\\n" : "") + text;
    return new Promise(function (done) {
      $(document).one("finished_saving", done);
      setTimeout(done, 5000);
      $(that.comment).trigger("change");
    });
  });
};
Panel.prototype.say = function (text) { this.said.textContent = text; };
Panel.prototype.again = function () {
  var that = this, names = [assignment_id, notebook_id, this.cell].map(encodeURIComponent);
  var url = base_url + "/api/marking_again/" + names.join("/");
  var button = make("button", {type: "button", "class": "btn btn-warning btn-sm", text: "Show what would change"});
  var box = make("div", {"class": "alert alert-warning"}, [make("p", {text: "The marking scheme has changed since "
    + this.data.changed + " of these answers were marked."})]);
  box.appendChild(button);
  function list(changes) {
    var counted = {};
    changes.forEach(function (change) {
      var line = change.how === "follows" && change.before === change.after ? change.after + " stays, with new words"
        : change.how === "follows" ? change.before + " → " + change.after : change.how === "typed"
        ? change.before + " stays: typed by hand" : change.before + " stays: its item is not in the scheme any more";
      counted[line] = (counted[line] || 0) + 1;
    });
    return make("ul", {}, Object.keys(counted).sort().map(function (line) {
      return make("li", {text: counted[line] + " × " + line});
    }));
  }
  button.onclick = function () {
    ask("POST", url, {}).then(function (found) {
      box.insertBefore(list(found.changes), button);
      button.textContent = "Change them";
      button.onclick = function () {
        button.disabled = true;
        ask("POST", url, {apply: true}).then(function () { location.reload(); }).catch(function (error) {
          that.say(error.message);
        });
      };
    }).catch(function (error) { that.say(error.message); });
  };
  return box;
};

AT_ONCE
function choose(panel) {
  Object.keys(panels).forEach(function (name) {
    panels[name].element.classList.toggle("active", panels[name] === panel);
  });
}
// The panel that keys are for: of the one question, or of the field that was used last.
function current() {
  if (one) { return panels[one]; }
  var used = Object.keys(panels).filter(function (name) { return panels[name].element.classList.contains("active"); });
  return panels[used[0]];
}
function holding(field) {
  return panels[Object.keys(panels).filter(function (name) { return $(panels[name].place).find(field).length; })[0]];
}
function go(where) {
  var panel = panels[one], before = conflicts;
  waiting.then(function () {
    // Then the panel says who was there before.
    if (conflicts !== before) { return; }
    if (!failed) { formgrader.save(function () { location.href = address(one, where); }); return; }
    panel.say("The last item was not saved; press it again, or reload the page.");
  });
}
function pressed(event) {
  var panel = current(), typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
  if (!panel || typing || event.ctrlKey || event.metaKey) { return; }
  var digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code), number = digit && Number(digit[1]) - 1;
  var does = null;
  if (event.altKey) { return; }
  if (digit && number < 0) { does = function () { panel.put({}); }; }
  else if (digit && event.shiftKey) { does = function () { panel.turn(number); }; }
  else if (digit) { does = function () { panel.toggle(number, -1); }; }
  else if (!event.shiftKey && event.key.length === 1 && LETTERS.indexOf(event.key) >= 0) {
    does = function () { panel.offer(LETTERS.indexOf(event.key)); };
  } else if (one && !event.shiftKey) {
    does = {
      n: function () { go("next"); }, p: function () { go("prev"); },
      c: function () { panel.comment.focus(); },
      s: function () { $(panel.data.bonus === null ? panel.field : panel.extra).focus().select(); },
      m: function () { fold("Model answer"); }, a: function () { fold("Anchor answers"); }
    }[event.key];
  }
  function fold(title) {
    panel.element.querySelectorAll("details").forEach(function (part) {
      if (part.firstChild.textContent === title) { part.open = !part.open; }
    });
  }
  if (does && !event.repeat) {
    event.preventDefault();
    event.stopPropagation();
    does();
  }
}

// The whole answer if it fits, with what stands above it; else its beginning.
function show(place) {
  var box = place.getBoundingClientRect(), top = window.scrollY;
  window.scrollTo(0, Math.max(0, Math.min(top + box.top - 70, top + box.bottom - window.innerHeight + 20)));
}

function begin() {
  document.head.appendChild(make("style", {text: STYLE}));
  document.addEventListener("keydown", pressed, true);
  if (one) {
    document.body.classList.add("proctor-one");
    // Keys and links of the page lead along this question.
    formgrader.navigateTo = function (where) {
      return where ? address(one, where.indexOf("prev") === 0 ? "prev" : "next") : address(one, "");
    };
    formgrader.scrollToLastSelected = function () { this.setCurrentIndex(); };
    $("li.previous a").attr("href", address(one, "prev")).removeAttr("title");
    // The number of a submission is the same for all questions.
    $(".panel-title .pull-right").remove();
    $("a.name-hidden").text("Answer");
    $("li.next a").attr("href", address(one, "next")).removeAttr("title").html("Next unmarked &rarr;");
    // The page chooses the field of the score; here keys are for the items.
    setTimeout(function () { document.activeElement.blur(); }, 50);
  }
  $(document).on("focus", ".tabbable", function (event) {
    if (holding(event.target)) { choose(holding(event.target)); }
  });
  var asked = base_url + "/api/marking/" + submission_id + (one ? "?cell=" + encodeURIComponent(one) : "");
  ask("GET", asked).then(function (found) {
    Object.keys(found.cells).forEach(function (name) {
      var panel = new Panel(name, found.cells[name]);
      if (panel.place) { panels[name] = panel; panel.draw(); }
    });
    if (one && !panels[one]) {
      throw new Error("the source notebook has none for this answer, or this notebook has no such answer");
    }
    var focused = formgrader.last_selected, panel = panels[one] || (focused && holding(focused));
    if (panel) { choose(panel); }
    if (one) { show(panels[one].place); }
    document.body.setAttribute("data-marking", "ready");
    // Drawn now, it is there at once when it is asked for.
    if (one) { fetch(address(one, "next"), {credentials: "same-origin"}).catch(function () {}); }
  }).catch(function (error) {
    var text = "No marking scheme: " + error.message;
    document.body.appendChild(make("section", {"class": "proctor-marking", text: text}));
  });
}
$(window).on("load", begin);
})();
"""

SCRIPT = _PROGRAM.replace("text: STYLE", f"text: {json.dumps(STYLE)}").replace("AT_ONCE\n", PROGRAM)

"""The part of the formgrader's script that is for several people at once: no change is written over what isn't shown.

It stands inside the script of the panels and uses its names.
"""

PROGRAM = """
// Each change says what this page shows of what it changes; the server refuses it if something else is there by now.
var conflicts = 0;
function watch(type, fields) {
  function shown(model) {
    var found = {};
    fields.forEach(function (name) {
      var value = model.get(name), number = name !== "manual_comment" && typeof value === "string" && value !== "";
      found[name] = value === undefined ? null : number ? Number(value) : value;
    });
    return found;
  }
  type.prototype.initialize = function () { this.look(); this.on("sync", this.look); };
  type.prototype.look = function () { this.seen = shown(this); };
  type.prototype.sync = function (method, model, options) {
    if (method !== "update") { return Backbone.sync(method, model, options); }
    var before = model.seen, mine = shown(model);
    options.attrs = Object.assign(model.toJSON(), {proctor_seen: before});
    // A second change may be on its way before the first is answered.
    model.seen = mine;
    options.error = function (answer) {
      var found = answer.responseJSON || {}, text = found.error || "the server said " + answer.status;
      if (answer.status === 409 && found.now) { refused(model, before, mine, found.now, text); return; }
      model.seen = before;
      tell(model, "Not saved: " + text);
    };
    return Backbone.sync(method, model, options);
  };
}
function refused(model, before, mine, now, text) {
  conflicts += 1;
  // What waits for this change to be saved would leave the page.
  $(document).off("finished_saving");
  model.set(now);
  model.look();
  if ("manual_comment" in mine) {
    var both = joined(before.manual_comment || "", mine.manual_comment || "", now.manual_comment || "");
    if (both !== now.manual_comment) { model.save({manual_comment: both}); }
    tell(model, text + " Both texts stand in the comment now: read them once more.");
    return;
  }
  var points = (mine.manual_score || 0) + (mine.extra_credit || 0);
  tell(model, text + (mine.manual_score === null ? " Nothing was taken back: do it again if it shall be."
    : " Your " + points + " was not saved: type it again to put it there."));
  var panel = panels[model.get("name")];
  if (panel) {
    ask("GET", base_url + "/api/marking/" + submission_id + "?cell=" + encodeURIComponent(panel.cell))
      .then(function (found) { panel.take(found.cells[panel.cell]); });
  }
}
// Theirs, and below it what is new in mine.
function joined(before, mine, theirs) {
  var added = before && mine.indexOf(before) === 0 ? mine.slice(before.length) : mine;
  added = added.replace(/^\\s+|\\s+$/g, "");
  return !added || theirs.indexOf(added) >= 0 ? theirs : theirs ? theirs + "\\n\\n" + added : added;
}
function tell(model, text) {
  var name = model.get("name"), panel = panels[name], id = name + "-told";
  if (panel) { panel.say(text); return; }
  var place = $("#" + name + ", #" + name + "-comment").first().parents(".nbgrader_cell").get(0);
  var told = document.getElementById(id);
  if (!place) { return; }
  if (!told) {
    told = make("div", {id: id, "class": "alert alert-warning", role: "status"});
    place.parentNode.insertBefore(told, place);
  }
  told.textContent = text;
}
function model_of(models, name) {
  return models && models.find(function (one) { return one.get("name") === name; });
}
Panel.prototype.take = function (found) {
  this.choices = found.choices;
  this.given = found.given;
  this.show();
};
Panel.prototype.seen = function () {
  var grade = model_of(formgrader.grades, this.cell);
  return grade && Object.assign({choices: this.choices}, grade.seen);
};
Panel.prototype.refuse = function (found, text) {
  conflicts += 1;
  this.take(found);
  this.update(found);
  this.say(text + " Your item was not saved: press it again to change that.");
};
watch(Grade, ["manual_score", "extra_credit"]);
watch(Comment, ["manual_comment"]);
"""

// Where another result comes, Gradio changes the elements of the former one in place; what was typed, ticked or dragged must not stay in them.
new MutationObserver((changes) => {
	for (const { target } of changes) {
		for (const field of target.querySelectorAll("input, option")) {
			if (field.matches("option")) field.selected = field.defaultSelected;
			else if (field.type === "checkbox") field.checked = field.defaultChecked;
			else if (!field.matches(".slide")) field.value = field.defaultValue; // how players are compared is no part of a result
		}
		target.dispatchEvent(new Event("segmo:other", { bubbles: true }));
	}
}).observe(document.documentElement, { attributes: true, attributeFilter: ["data-of"], subtree: true });

// Keeps the two players of the result in step, and makes the slider between them work.
(() => {
	const twin = (video) => {
		const box = video.closest?.(".compare");
		return box && [...box.querySelectorAll("video")].find((other) => other !== video);
	};
	const listen = (type, act) => document.addEventListener(type, (event) => event.target.tagName === "VIDEO" && act(event.target), true);
	const leads = (video) => video.parentElement.classList.contains("overlay"); // the one with controls

	listen("timeupdate", (video) => {
		const other = twin(video);
		if (other && leads(video) && Math.abs(other.currentTime - video.currentTime) > 0.06) other.currentTime = video.currentTime;
	});
	listen("seeking", (video) => {
		const other = twin(video);
		if (other && leads(video)) other.currentTime = video.currentTime;
	});
	listen("play", (video) => {
		if (leads(video)) twin(video)?.play().catch(() => {});
	});
	listen("pause", (video) => {
		if (leads(video)) twin(video)?.pause();
	});
	const cut = () => {
		const box = document.querySelector("#compare .compare:not(.single)");
		if (!box) return;
		box.style.setProperty("--cut", box.querySelector(".slide").value + "%");
		box.classList.toggle("sliding", document.querySelector("#compare .slide-on").checked);
	};
	document.addEventListener("input", (event) => event.target.closest?.("#compare") && cut());
	document.addEventListener("segmo:other", (event) => event.target.matches(".compare") && cut());
	const hold = (button, held) => {
		button.setAttribute("aria-pressed", held);
		document.querySelector("#compare .compare").classList.toggle("holding", held);
	};
	const held = () => document.querySelectorAll('.hold[aria-pressed="true"]').forEach((button) => hold(button, false));
	document.addEventListener("pointerdown", (event) => {
		const button = event.target.closest?.(".hold");
		if (button) hold(button, true);
	});
	document.addEventListener("keydown", (event) => {
		if (event.target.matches?.(".hold") && [" ", "Enter"].includes(event.key)) hold(event.target, true);
	});
	for (const type of ["pointerup", "pointercancel", "keyup", "blur"]) window.addEventListener(type, held);
	const copied = async (words) => {
		try {
			await navigator.clipboard.writeText(words);
			return true;
		} catch {
			return false; // not allowed on pages without https: then the words are there to be copied by hand
		}
	};
	const copyLink = async (button) => {
		const link = `${location.origin}${location.pathname}?result=${button.dataset.result}`;
		button.parentElement.querySelector(".share-note").textContent = (await copied(link)) ? "Copied." : link;
	};
	const copyCode = async (button) => {
		const code = button.closest(".code").querySelector("code");
		if (await copied(code.textContent)) button.textContent = "Copied";
		else getSelection().selectAllChildren(code);
	};
	document.addEventListener("click", (event) => {
		const link = event.target.closest?.(".copy-link");
		const code = event.target.closest?.(".copy-code");
		if (link) copyLink(link);
		if (code) copyCode(code);
	});
	document.documentElement.style.overflowAnchor = "none"; // a message above the steps shall push them down, not hide above the screen
	document.addEventListener("click", (event) => {
		// What these begin is told at the head of the result, which may lie above the screen.
		if (!event.target.closest?.("#run, #apply-objects, #correct-apply, #example label")) return;
		const result = document.getElementById("result-column");
		if (result.getBoundingClientRect().top < 0) result.scrollIntoView({ block: "start" });
	});
})();

// A video may be dropped anywhere, also in place of another; left alone, the browser would leave the page and open the file.
(() => {
	const input = () => document.querySelector("#upload input[type=file]");
	const take = (file) => {
		const files = new DataTransfer();
		files.items.add(file);
		input().files = files.files;
		input().dispatchEvent(new Event("change", { bubbles: true }));
	};
	const takeWhenCleared = (file, tries = 100) => {
		const cleared = input() && !document.querySelector("#clip-note .prose")?.textContent.trim();
		if (cleared) take(file);
		else if (tries) setTimeout(() => takeWhenCleared(file, tries - 1), 100);
	};
	document.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
	document.addEventListener("drop", (event) => {
		const [file] = event.dataTransfer?.files ?? [];
		if (!file || event.defaultPrevented) return; // where Gradio itself takes a file, it has done so
		event.preventDefault();
		if (input()) return take(file);
		document.querySelector('#upload button[aria-label="Clear"]')?.click();
		takeWhenCleared(file);
	});
})();

// Shows which points would move at another threshold, from the file with their probabilities; nothing is asked of the server.
(() => {
	const MOVING = "#f0762b";
	const STILL = "#5b8fe0";
	const data = new WeakMap();

	const colourHistogram = (section, threshold) => {
		const histogram = section.parentElement.querySelector(".histogram");
		for (const bar of histogram.querySelectorAll("rect")) bar.setAttribute("class", bar.dataset.at > threshold ? "moving" : "still");
		const line = histogram.querySelector("line");
		const at = threshold * histogram.querySelector("svg").viewBox.baseVal.width;
		line.setAttribute("x1", at);
		line.setAttribute("x2", at);
		histogram.querySelector(".at").textContent = `threshold ${threshold.toFixed(2)}`;
	};

	const draw = (section) => {
		const { hw, probability, frames } = data.get(section);
		const threshold = Number(section.querySelector(".live-threshold").value);
		const frame = frames[section.querySelector(".live-frame").value];
		const image = section.querySelector("img");
		const source = section.dataset.folder + frame.picture;
		if (image.getAttribute("src") !== source) image.src = source;
		const canvas = section.querySelector("canvas");
		[canvas.height, canvas.width] = hw;
		image.parentElement.style.setProperty("--ratio", hw[1] / hw[0]);
		const pen = canvas.getContext("2d");
		pen.strokeStyle = "#fff";
		const radius = Math.max(2, hw[1] / 220);
		for (const moving of [false, true]) {
			pen.fillStyle = moving ? MOVING : STILL;
			frame.tracks.forEach((track, i) => {
				if (probability[track] > threshold !== moving) return;
				pen.beginPath();
				pen.arc(frame.xy[2 * i], frame.xy[2 * i + 1], radius, 0, 7);
				pen.fill();
				if (moving) pen.stroke();
			});
		}
		const count = probability.filter((p) => p > threshold).length;
		section.querySelector(".live-count").textContent = `${count} of ${probability.length} tracks would move at ${threshold.toFixed(2)}`;
		colourHistogram(section, threshold);
	};

	const start = async (section) => {
		section.dataset.started = "yes";
		data.delete(section); // what it showed of a former result
		try {
			data.set(section, await (await fetch(section.dataset.points)).json());
		} catch {
			return; // the page was left, or the result is gone
		}
		const last = data.get(section).frames.length - 1;
		if (last < 0) return;
		const frame = section.querySelector(".live-frame");
		frame.max = last;
		frame.value = Math.floor(last / 2);
		draw(section);
	};

	const startAll = () => document.querySelectorAll(".live:not([data-started])").forEach(start);
	new MutationObserver(startAll).observe(document.documentElement, { childList: true, subtree: true });
	document.addEventListener("segmo:other", startAll);
	document.addEventListener("input", (event) => {
		const section = event.target.closest?.(".live");
		if (section && data.has(section)) draw(section);
	});
	document.addEventListener("click", (event) => {
		const button = event.target.closest?.(".live-use");
		const box = document.querySelector("#setting-threshold textarea, #setting-threshold input");
		if (!button || !box) return;
		const section = button.closest(".live");
		box.value = section.querySelector(".live-threshold").value;
		box.dispatchEvent(new Event("input", { bubbles: true }));
		section.querySelector(".live-used").textContent = "Set. Press Run: only motion and masks are computed again.";
	});
})();

// The list of objects: what is marked here is sent when it is applied.
(() => {
	window.segmoObjects = () =>
		JSON.stringify(
			[...document.querySelectorAll("#objects tr[data-object]")].map((row) => ({
				id: Number(row.dataset.object),
				name: row.querySelector(".object-name").value,
				on: row.querySelector(".object-on").checked,
				into: Number(row.querySelector(".object-into").value),
				deleted: row.classList.contains("deleted"),
			})),
		);
	const change = () => document.getElementById("apply-objects")?.classList.add("changed");
	document.addEventListener("input", (event) => event.target.closest?.("#objects") && change());
	const applied = () => document.getElementById("apply-objects")?.classList.remove("changed");
	new MutationObserver((changes) => {
		if (changes.some(({ addedNodes }) => [...addedNodes].some((node) => node.querySelector?.("table.objects")))) applied();
	}).observe(document.documentElement, { childList: true, subtree: true });
	document.addEventListener("segmo:other", (event) => event.target.matches("table") && applied());
	document.addEventListener("click", (event) => {
		const button = event.target.closest?.(".object-delete");
		if (!button) return;
		change();
		const deleted = button.closest("tr").classList.toggle("deleted");
		button.textContent = deleted ? "Undo" : "Delete";
		button.setAttribute("aria-pressed", deleted);
	});
})();

// What Gradio leaves out: names for screen readers, and stillness for those who ask for it.
(() => {
	const still = matchMedia("(prefers-reduced-motion: reduce)");
	const TITLES = { player: "Your clip", depth_video: "Depth", tracks_video: "Tracks", motion_video: "Motion", masks_video: "Masks" };

	const name = () => {
		for (const part of document.querySelectorAll(".address:not([data-known])")) {
			part.dataset.known = "yes";
			part.textContent = JSON.stringify(location.origin + location.pathname);
		}
		for (const [id, title] of Object.entries(TITLES)) {
			document.querySelector(`#${id} video:not([aria-label])`)?.setAttribute("aria-label", title);
			document.querySelector(`#${id} a[download]:not([aria-label])`)?.setAttribute("aria-label", `Download ${title}`);
		}
	};
	new MutationObserver(name).observe(document.documentElement, { childList: true, subtree: true });
	document.addEventListener(
		"play",
		({ target }) => {
			if (!still.matches || !target.autoplay) return;
			target.autoplay = false; // once: whoever presses play means it
			target.pause();
		},
		true,
	);
})();

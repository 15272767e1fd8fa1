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
	document.addEventListener("input", (event) => {
		if (event.target.matches?.(".compare .slide")) event.target.closest(".compare").style.setProperty("--cut", event.target.value + "%");
		if (event.target.matches?.(".slide-on")) document.querySelector("#compare .compare").classList.toggle("sliding", event.target.checked);
	});
	const copy = async (button) => {
		const link = `${location.origin}${location.pathname}?result=${button.dataset.result}`;
		let copied = true;
		try {
			await navigator.clipboard.writeText(link);
		} catch {
			copied = false; // not allowed on pages without https: then the link is there to be copied by hand
		}
		const note = button.parentElement.querySelector(".share-note");
		note.textContent = copied ? "Copied." : link;
	};
	document.addEventListener("click", (event) => {
		const button = event.target.closest?.(".copy-link");
		if (button) copy(button);
	});
	document.documentElement.style.overflowAnchor = "none"; // a message above the steps shall push them down, not hide above the screen
	document.addEventListener("click", (event) => {
		// On a narrow page the result lies above the button that makes it.
		if (event.target.closest?.("#run") && window.innerWidth < 820) document.getElementById("result-column")?.scrollIntoView({ block: "start" });
	});
})();

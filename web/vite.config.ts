import { defineConfig } from "vite";

export default defineConfig({
  base: "/dashboard/",
  build: {
    outDir: "../src/aigestion/api/dashboard_built",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // what is inlined would need a hole in the page's policy
    modulePreload: { polyfill: false },
    license: { fileName: "LICENSES.md" },
  },
});

# Reference numbers of phylogenetic GLS: ape 5.7 and nlme 3.1-162 on R 4.2.2.
# Run: Rscript pgls.R > pgls.json  (in this folder)
# nlme does not bound lambda; the first seed whose two estimates lie inside (0.2, 0.95) is taken.
suppressMessages({library(ape); library(nlme); library(jsonlite)})
n <- 30
simulate <- function(seed) {
  set.seed(seed)
  tree <- rcoal(n); tree$edge.length <- tree$edge.length / max(node.depth.edgelength(tree))
  K <- vcv(tree)
  e <- as.vector(t(chol(0.7 * K + 0.3 * diag(n))) %*% rnorm(n))
  x <- round(as.vector(t(chol(K)) %*% rnorm(n)), 6); w <- round(rnorm(n), 6)
  d <- data.frame(y = round(60 + 2 * x + 3 * e, 6), x, w, sp = tree$tip.label); rownames(d) <- d$sp
  list(d = d, tree = tree, K = K)
}
fit <- function(s, method) {
  m <- gls(y ~ x + w, s$d, correlation = corPagel(0.5, s$tree, form = ~sp), method = method,
           control = glsControl(tolerance = 1e-12, msTol = 1e-12, apVar = FALSE))
  list(coefficients = unname(coef(m)), se = unname(sqrt(diag(vcov(m)))), log_likelihood = as.numeric(logLik(m)),
       lambda = unname(coef(m$modelStruct$corStruct, unconstrained = FALSE)))
}
inside <- function(f) f$lambda > 0.2 && f$lambda < 0.95
for (seed in 1:100) {
  s <- simulate(seed); reml <- fit(s, "REML"); ml <- fit(s, "ML")
  if (inside(reml) && inside(ml)) break
}
cat(toJSON(list(seed = seed, y = s$d$y, x = s$d$x, w = s$d$w, covariance = s$K, reml = reml, ml = ml),
           digits = 12, auto_unbox = TRUE))

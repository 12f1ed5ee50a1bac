package io.github.tfcompress.demo.app.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.Card
import androidx.compose.material3.CardDefaults
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Scaffold
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.heading
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import androidx.lifecycle.compose.collectAsStateWithLifecycle
import io.github.tfcompress.demo.DemoProblem
import io.github.tfcompress.demo.DemoState
import io.github.tfcompress.demo.app.DemoViewModel
import io.github.tfcompress.demo.app.R
import io.github.tfcompress.demo.app.Screen

/** The whole screen: image and answer above, models and figures below. */
@Composable
fun DemoScreen(viewModel: DemoViewModel) {
    val screen by viewModel.screen.collectAsStateWithLifecycle()
    val cameraOn by viewModel.cameraOn.collectAsStateWithLifecycle()
    Scaffold { insets ->
        Box(Modifier.fillMaxSize().padding(insets), contentAlignment = Alignment.TopCenter) {
            when (val shown = screen) {
                Screen.Starting -> Starting()
                is Screen.Unusable -> Problem(shown.problem, Modifier.padding(16.dp))
                is Screen.Running -> Running(shown.state, cameraOn, viewModel)
            }
        }
    }
}

@Composable
private fun Starting() {
    val starting = stringResource(R.string.starting)
    Box(Modifier.fillMaxSize(), contentAlignment = Alignment.Center) {
        CircularProgressIndicator(Modifier.semantics { contentDescription = starting })
    }
}

@Composable
private fun Running(state: DemoState, cameraOn: Boolean, viewModel: DemoViewModel) {
    Column(
        Modifier.widthIn(max = 600.dp).verticalScroll(rememberScrollState()).padding(16.dp),
        verticalArrangement = Arrangement.spacedBy(16.dp),
    ) {
        Text(
            state.demo.title,
            Modifier.semantics { heading() },
            style = MaterialTheme.typography.headlineSmall,
        )
        state.problem?.let { Problem(it) }
        ImageSection(state, cameraOn, viewModel)
        AnswerSection(state)
        ModelSection(state, viewModel)
        MeasureSection(state, viewModel)
        if (state.demo.credits.isNotEmpty()) {
            Text(state.demo.credits, style = MaterialTheme.typography.bodySmall)
        }
    }
}

@Composable
private fun Problem(problem: DemoProblem, modifier: Modifier = Modifier) {
    Card(
        // Read out when it appears, without a touch.
        modifier.fillMaxWidth().semantics { liveRegion = LiveRegionMode.Assertive },
        colors = CardDefaults.cardColors(containerColor = MaterialTheme.colorScheme.errorContainer),
    ) {
        Text(problemText(problem), Modifier.padding(16.dp))
    }
}
